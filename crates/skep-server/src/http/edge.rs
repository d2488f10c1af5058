//! What comes with a request besides its body, read once and at the edge: a no of the framework's is a problem
//! document like every other.

use crate::api::Problem;
use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

/// What was asked behind `?`.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Asked(asked)),
            Err(error) => Err(bad_query(error.body_text())),
        }
    }
}

/// The one name in an address. What it names, and whether it can be a name at all, is for the route to say.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Named(name)),
            Err(error) => Err(Problem::new(
                StatusCode::NOT_FOUND,
                "no_such_name",
                format!("the address names nothing: {}", error.body_text()),
            )),
        }
    }
}

pub(super) fn bad_query(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_query", detail)
}
