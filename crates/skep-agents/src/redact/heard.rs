//! What was seen of an agent, made fit to be kept: a dialogue reads the stream as it is.

use super::Secrets;
use crate::{
    fault::Fault,
    summary::Summary,
    verdict::{ByUs, Silence, Trouble},
};

impl Summary {
    /// Takes the secrets out of every text.
    pub fn clean(&mut self, secrets: &Secrets) {
        let fault = |fault: &mut Option<Fault>| {
            if let Some(fault) = fault {
                secrets.clean_mut(&mut fault.text);
            }
        };
        fault(&mut self.error);
        fault(&mut self.retrying);
        secrets.clean_mut(&mut self.said);
        if let Some(done) = &mut self.done {
            secrets.clean_mut(&mut done.text);
        }
        if let Some(limited) = &mut self.limited {
            secrets.clean_mut(&mut limited.text);
        }
        if let Some(session) = &mut self.session {
            secrets.clean_mut(session);
        }
        let tools = core::mem::take(&mut self.tools).into_iter();
        self.tools = tools
            .map(|(id, name)| (secrets.clean(&id), secrets.clean(&name)))
            .collect();
        let asks = core::mem::take(&mut self.asks).into_iter();
        self.asks = asks.map(|id| secrets.clean(&id)).collect();
    }
}

impl ByUs {
    /// Takes the secrets out of every text.
    pub fn clean(&mut self, secrets: &Secrets) {
        match self {
            ByUs::Trouble(Trouble::Retries(fault)) => secrets.clean_mut(&mut fault.text),
            ByUs::Trouble(Trouble::Silent(Silence::Tool(tool))) => secrets.clean_mut(tool),
            ByUs::Trouble(Trouble::Silent(_)) | ByUs::Asked => {}
        }
    }
}
