//! One list, two uses: the router, and what the OpenAPI document says of it. A route is added together with its
//! [`Operation`], by the only way there is to add one, so that none can be without an entry.

use super::openapi::Operation;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    http::{Method, StatusCode},
    routing::{MethodFilter, on},
};

/// Routes that still need a state, and what they do.
pub(super) struct Routes<S = ()> {
    router: Router<S>,
    operations: Vec<Operation>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub(super) fn new() -> Routes<S> {
        Routes {
            router: Router::new(),
            operations: Vec::new(),
        }
    }

    pub(super) fn get<H: Handler<T, S>, T: 'static>(
        self,
        path: &str,
        handler: H,
        does: Operation,
    ) -> Self {
        self.add(Method::GET, MethodFilter::GET, path, handler, does)
    }

    pub(super) fn post<H: Handler<T, S>, T: 'static>(
        self,
        path: &str,
        handler: H,
        does: Operation,
    ) -> Self {
        self.add(Method::POST, MethodFilter::POST, path, handler, does)
    }

    pub(super) fn patch<H: Handler<T, S>, T: 'static>(
        self,
        path: &str,
        handler: H,
        does: Operation,
    ) -> Self {
        self.add(Method::PATCH, MethodFilter::PATCH, path, handler, does)
    }

    pub(super) fn delete<H: Handler<T, S>, T: 'static>(
        self,
        path: &str,
        handler: H,
        does: Operation,
    ) -> Self {
        self.add(Method::DELETE, MethodFilter::DELETE, path, handler, does)
    }

    fn add<H: Handler<T, S>, T: 'static>(
        mut self,
        method: Method,
        filter: MethodFilter,
        path: &str,
        handler: H,
        does: Operation,
    ) -> Self {
        // Another method of the same path joins those that are there.
        self.router = self.router.route(path, on(filter, handler));
        self.operations.push(does.at(method, path));
        self
    }

    /// Bodies may be so large. It holds for the routes that were added before.
    pub(super) fn limit(mut self, bytes: usize) -> Self {
        self.router = self.router.layer(DefaultBodyLimit::max(bytes));
        for operation in self.operations.iter_mut().filter(|o| o.has_body()) {
            operation.add_refusal(StatusCode::PAYLOAD_TOO_LARGE);
        }
        self
    }

    pub(super) fn merge(mut self, other: Routes<S>) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self
    }

    /// The same below a prefix.
    pub(super) fn below(mut self, prefix: &str) -> Self {
        self.router = Router::new().nest(prefix, self.router);
        for operation in &mut self.operations {
            operation.move_below(prefix);
        }
        self
    }

    pub(super) fn with_state<T>(self, state: S) -> Routes<T> {
        Routes {
            router: self.router.with_state(state),
            operations: self.operations,
        }
    }

    pub(super) fn split(self) -> (Router<S>, Vec<Operation>) {
        (self.router, self.operations)
    }
}
