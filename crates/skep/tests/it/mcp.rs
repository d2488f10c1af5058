//! `skep mcp` (U-8), driven by the official SDK's client over standard input and output, and by hostile hands.

mod owner;
mod worker;

use crate::Sandbox;
use rmcp::{
    RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult, ContentBlock},
    service::RunningService,
};
use serde_json::Value;
use std::{
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
};
use tokio::net::unix::pipe::{Receiver, Sender};

/// A client of the official SDK, and the `skep mcp` that it speaks with.
struct Session {
    client: RunningService<RoleClient, ()>,
    process: Child,
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

impl Session {
    async fn open(mut command: Command) -> Session {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (
            process.stdin.take().unwrap(),
            process.stdout.take().unwrap(),
        );
        let reader = Receiver::from_owned_fd(OwnedFd::from(output)).unwrap();
        let writer = Sender::from_owned_fd(OwnedFd::from(input)).unwrap();
        let client = ().serve((reader, writer)).await.unwrap();
        Session { client, process }
    }

    /// The owner's side.
    async fn owner(sandbox: &Sandbox) -> Session {
        let mut command = sandbox.command(&["mcp"]);
        command.env_remove("SKEP_TOKEN");
        Session::open(command).await
    }

    /// The side of whoever has this token.
    async fn worker(sandbox: &Sandbox, token: &str) -> Session {
        let mut command = sandbox.command(&["mcp"]);
        command
            .env("SKEP_TOKEN", token)
            .env("SKEP_REPO", sandbox.path());
        Session::open(command).await
    }

    async fn names(&self) -> Vec<String> {
        let tools = self.client.list_all_tools().await.unwrap();
        tools.iter().map(|tool| tool.name.to_string()).collect()
    }

    async fn result(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        let Value::Object(arguments) = arguments else {
            panic!("arguments are an object");
        };
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        self.client.call_tool(call).await.unwrap()
    }

    /// What a tool answers.
    async fn get(&self, tool: &'static str, arguments: Value) -> Value {
        let result = self.result(tool, arguments).await;
        assert_ne!(result.is_error, Some(true), "{tool}: {}", text(&result));
        result.structured_content.unwrap()
    }

    /// What it says when it will not.
    async fn no(&self, tool: &'static str, arguments: Value) -> String {
        let result = self.result(tool, arguments).await;
        assert_eq!(result.is_error, Some(true), "{tool}: {}", text(&result));
        assert_eq!(result.structured_content, None);
        text(&result)
    }

    /// The client leaves, and so does the server.
    async fn close(mut self) {
        let _ = self.client.cancel().await;
        let ended = tokio::task::spawn_blocking(move || self.process.wait());
        assert_eq!(ended.await.unwrap().unwrap().code(), Some(0));
    }
}

fn text(result: &CallToolResult) -> String {
    let texts = result.content.iter().map(|block| match block {
        ContentBlock::Text(text) => text.text.clone(),
        other => panic!("not a text: {other:?}"),
    });
    texts.collect()
}
