//! The MCP server (U-8), with two sides: an agent in an attempt speaks for that attempt and can do nothing else; a
//! person's own agent steers the swarm with the person's rights.
//!
//! Both are clients of the keeper's socket in a process of their own, so nothing that an agent sends reaches the keeper
//! but by the routes that every client has. Whatever comes back is structured data. What other agents, programs and
//! the repository wrote stands in fields that say so, and never among the instructions (T-3).

mod ask;
mod owner;
mod progress;
mod tool;
mod worker;

pub use owner::Owner;
pub use progress::Progress;
pub use worker::Worker;

use crate::client::ClientError;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
    transport::async_rw::AsyncRwTransport,
};
use serde_json::Value;
use std::{future::Future, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest message taken. Every text in one is bounded by far less; a longer line is dropped unread.
const LINE: usize = 1024 * 1024;
/// So many calls are worked on at one time; more wait their turn.
const AT_ONCE: usize = 16;

/// What one side offers.
pub trait Tools: Send + Sync + 'static {
    /// What the other end should know before it calls anything.
    fn instructions(&self) -> String;
    /// The tools.
    fn offers(&self) -> Vec<Tool>;
    /// Calls one of them. Whoever has asked for it is told of what takes long.
    fn call(
        &self,
        name: &str,
        arguments: Value,
        progress: &Progress,
    ) -> impl Future<Output = Result<Value, No>> + Send;
}

/// Why a call has no result.
#[derive(Debug)]
pub enum No {
    /// There is no such tool.
    Unknown,
    /// What is wrong, and what to do about it.
    Because(String, Option<String>),
}

impl No {
    fn because(text: impl Into<String>) -> No {
        No::Because(text.into(), None)
    }
    fn hint(self, hint: &str) -> No {
        match self {
            No::Because(text, _) => No::Because(text, Some(hint.into())),
            No::Unknown => No::Unknown,
        }
    }
}

impl From<ClientError> for No {
    fn from(error: ClientError) -> No {
        match error {
            ClientError::Refused(problem) => No::Because(problem.detail, problem.hint),
            ClientError::NoKeeper => No::because(error.to_string())
                .hint("a person starts one with `skep run` or `skep up`; call again then"),
            ClientError::Unreachable { .. } => No::because(error.to_string())
                .hint("it may have just died; a call that changes something may have been done: look, then call again"),
            ClientError::Silent | ClientError::NotUnderstood(_) => {
                No::because(error.to_string()).hint("`skep doctor` says what is wrong")
            }
        }
    }
}

/// Why the server ended, other than that its client left.
#[derive(Debug, thiserror::Error)]
#[error("the MCP client is not understood: {0}")]
pub struct ServeError(String);

/// Serves one client until it leaves.
///
/// # Errors
/// When it does not speak the protocol.
pub async fn serve(
    tools: impl Tools,
    reader: impl AsyncRead + Send + Unpin + 'static,
    writer: impl AsyncWrite + Send + Unpin + 'static,
) -> Result<(), ServeError> {
    let transport = AsyncRwTransport::<RoleServer, _, _>::new(reader, writer);
    let served = Served {
        tools: Arc::new(tools),
        turns: Arc::new(tokio::sync::Semaphore::new(AT_ONCE)),
    };
    let running = served.serve(transport.with_max_line_length(LINE)).await;
    let running = match running {
        Ok(running) => running,
        // A client that leaves before it has said anything has nothing to complain of.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(ServeError(error.to_string())),
    };
    running
        .waiting()
        .await
        .map(drop)
        .map_err(|error| ServeError(error.to_string()))
}

/// Serves whoever started this program, on its standard streams.
///
/// # Errors
/// As [`serve`].
pub async fn serve_parent(tools: impl Tools) -> Result<(), ServeError> {
    let (reader, writer) = rmcp::transport::io::stdio_pipes();
    serve(tools, reader, writer).await
}

struct Served<T> {
    tools: Arc<T>,
    turns: Arc<tokio::sync::Semaphore>,
}

impl<T: Tools> ServerHandler for Served<T> {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let mut config = ServerConfig::new(capabilities);
        config.server_info = Implementation::new("skep", env!("CARGO_PKG_VERSION"));
        config.instructions = Some(self.tools.instructions());
        config
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools
            .offers()
            .into_iter()
            .find(|tool| tool.name == name)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.offers()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let progress = Progress::of(&context);
        let answered = async {
            // The semaphore is never closed; were it, a call more would do no harm.
            let _turn = self.turns.acquire().await;
            self.tools.call(&request.name, arguments, &progress).await
        };
        let answered = tokio::select! {
            answered = answered => answered,
            () = context.ct.cancelled() => Err(No::because("the call was cancelled")),
        };
        let result = match answered {
            Ok(value) => CallToolResult::structured(value),
            Err(No::Because(text, hint)) => CallToolResult::error(vec![ContentBlock::text(
                hint.map_or(text.clone(), |hint| format!("{text}\nhint: {hint}")),
            )]),
            Err(No::Unknown) => {
                let offered: Vec<_> = self.tools.offers().into_iter().map(|t| t.name).collect();
                let name: String = request.name.chars().take(64).collect();
                let text = format!(
                    "there is no tool {name:?}; there are {}",
                    offered.join(", ")
                );
                return Err(ErrorData::invalid_params(text, None));
            }
        };
        Ok(result.into())
    }
}
