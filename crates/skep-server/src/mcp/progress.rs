//! What a client hears of a call while it takes long, if it has asked for it.

use rmcp::{
    Peer, RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};
use std::time::Instant;

/// Tells a client how a call of its goes on.
#[derive(Debug)]
pub struct Progress {
    client: Option<(Peer<RoleServer>, ProgressToken)>,
    began: Instant,
}

impl Progress {
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Progress {
        let token = context.meta.get_progress_token();
        Progress {
            client: token.map(|token| (context.peer.clone(), token)),
            began: Instant::now(),
        }
    }

    /// Says what is waited for. The measure is seconds: nothing else is known of a wait, and it has to grow.
    pub(super) async fn tell(&self, message: String) {
        if let Some((peer, token)) = &self.client {
            let passed = self.began.elapsed().as_secs_f64();
            let said = ProgressNotificationParam::new(token.clone(), passed).with_message(message);
            // A client that has left is noticed by whoever reads from it.
            let _ = peer.notify_progress(said).await;
        }
    }
}
