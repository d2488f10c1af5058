//! From a message to the way that its route names.

use super::{hook, mail, secret, words};
use skep_core::{
    alert::{post::Message, route::To},
    time::Millis,
};
use skep_host::desktop;

/// Why a message did not get through. Never says what is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) reason: String,
    pub(super) for_good: bool,
    pub(super) after: Option<Millis>,
}

impl Trouble {
    /// It may get through later.
    pub(super) fn passing(reason: impl Into<String>) -> Trouble {
        Trouble {
            reason: reason.into(),
            for_good: false,
            after: None,
        }
    }

    /// It will not until somebody changes something.
    pub(super) fn lasting(reason: impl Into<String>) -> Trouble {
        Trouble {
            for_good: true,
            ..Trouble::passing(reason)
        }
    }
}

/// Sends it, or says why it could not be.
pub(super) async fn send(swarm: &str, message: &Message) -> Result<(), Trouble> {
    let mail = words::Mail { swarm, message };
    match &message.route.to {
        To::Webhook {
            url,
            secret: key,
            allow_private,
        } => {
            let url = secret::address(url)?;
            hook::post(hook::Post {
                url: &url,
                allow_private: *allow_private,
                id: mail.id(),
                body: mail.json(),
                secret: key.as_ref().map(secret::read).transpose()?,
            })
            .await
        }
        To::Slack { url, allow_private } => {
            let url = secret::address(url)?;
            hook::post(hook::Post {
                url: &url,
                allow_private: *allow_private,
                id: mail.id(),
                body: mail.slack(),
                secret: None,
            })
            .await
        }
        To::Email(email) => {
            let message = mail::Mail {
                id: mail.id(),
                subject: mail.subject(),
                text: mail.text(),
            };
            mail::send(email, &message).await
        }
        To::Desktop => {
            let (critical, title, text) = (mail.is_critical(), mail.subject(), mail.text());
            let shown = tokio::task::spawn_blocking(move || desktop::show(critical, &title, &text));
            let shown = shown
                .await
                .map_err(|_| Trouble::passing("the notification could not be shown"))?;
            shown.map_err(|error| Trouble {
                for_good: error.is_lasting(),
                ..Trouble::passing(error.to_string())
            })
        }
    }
}
