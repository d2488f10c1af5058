//! The routes by which browsers come to be signed in and out. A link is asked for on the socket, or by whoever is let
//! in already; the keeper hands it out once and forgets it.

use super::{Problem, door::Door, openapi::op, routes::Routes};
use crate::api::{SCHEMA, SignInDoc, SignedOutDoc};
use axum::{
    Json,
    extract::State as Shared,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use std::{sync::Arc, time::Instant};

/// The door that is signed in at; none while nobody listens over TCP.
type Way = Option<Arc<Door>>;

pub(super) fn routes() -> Routes<Way> {
    Routes::new()
        .post(
            "/sign-in",
            link,
            op::<SignInDoc>(
                "makeSignInLink",
                "A link that signs one browser in, once and soon",
            )
            .refuses(&[StatusCode::CONFLICT]),
        )
        .post(
            "/sign-out",
            sign_out,
            op::<SignedOutDoc>("signOut", "Take the session from this browser")
                .refuses(&[StatusCode::CONFLICT]),
        )
}

async fn link(Shared(way): Shared<Way>) -> Result<Json<SignInDoc>, Problem> {
    let door = way.ok_or_else(nowhere)?;
    let (url, works) = door.link(Instant::now())?;
    let works = u64::try_from(works.as_millis()).unwrap_or(u64::MAX);
    Ok(Json(SignInDoc::new(url, works)))
}

async fn sign_out(Shared(way): Shared<Way>) -> Result<Response, Problem> {
    let door = way.ok_or_else(nowhere)?;
    let gone = Json(SignedOutDoc { schema: SCHEMA });
    Ok(([(header::SET_COOKIE, door.sign_out())], gone).into_response())
}

fn nowhere() -> Problem {
    let detail = "this keeper listens on its socket alone, so there is nowhere to sign in";
    Problem::new(StatusCode::CONFLICT, "no_listener", detail).hint(
        "`skep up` listens, unless it is told `--listen off`; the keeper of a `skep run` does not",
    )
}
