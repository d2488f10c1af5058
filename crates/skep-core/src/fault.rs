//! What went wrong between an agent and its provider, by kind. The kind decides what becomes of the attempt, of its
//! provider and of its model; an adapter finds it, and texts beside it only tell a person.

use serde::{Deserialize, Serialize};

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The key or login was refused. No wait helps.
    Auth,
    /// Too many requests for now.
    RateLimit,
    /// What was paid for is used up.
    Quota,
    /// The provider is overloaded or broken.
    Server,
    /// The provider was not reached, or hung up.
    Network,
    /// The context is too small for the conversation.
    Context,
    /// The provider does not accept the request, or does not know the model.
    Request,
    /// The provider declines to do it.
    Policy,
    /// A bound that was set for the agent: turns, tool denials.
    Bound,
    /// A bound on money that was set for the agent.
    Budget,
    /// It was interrupted.
    Interrupted,
    /// The agent did not keep to its protocol.
    Protocol,
    /// Something else.
    Other,
}

impl ErrorKind {
    /// The kind that an HTTP status means.
    #[must_use]
    pub const fn of_status(status: u64) -> Option<ErrorKind> {
        Some(match status {
            401 | 403 => ErrorKind::Auth,
            402 => ErrorKind::Quota,
            408 => ErrorKind::Network,
            413 => ErrorKind::Context,
            429 => ErrorKind::RateLimit,
            400..=499 => ErrorKind::Request,
            500..=599 => ErrorKind::Server,
            _ => return None,
        })
    }

    /// Whether the same request may well succeed later.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            ErrorKind::RateLimit | ErrorKind::Quota | ErrorKind::Server | ErrorKind::Network
        )
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            ErrorKind::Auth => "the provider refused the key or login",
            ErrorKind::RateLimit => "the provider limits the rate of requests",
            ErrorKind::Quota => "the provider's quota is used up",
            ErrorKind::Server => "the provider failed",
            ErrorKind::Network => "the provider was not reached",
            ErrorKind::Context => "the conversation does not fit the model's context",
            ErrorKind::Request => "the provider did not accept the request",
            ErrorKind::Policy => "the provider declined the request",
            ErrorKind::Bound => "the agent reached a bound that was set for it",
            ErrorKind::Budget => "the agent reached its budget",
            ErrorKind::Interrupted => "the agent was interrupted",
            ErrorKind::Protocol => "the agent did not keep to its protocol",
            ErrorKind::Other => "the agent failed",
        }
    }
}
