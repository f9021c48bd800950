//! The threads that statements run on.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use gapless_engine::{Error, Result};
use tokio::runtime::Builder;
use tokio::task::JoinHandle;

/// Planning is recursive, and a statement may be as deep as `depth` allows. What is not used of a stack takes no memory.
const STACK_BYTES: usize = 64 << 20;

/// A runtime that can be dropped anywhere, also on threads of another one.
#[derive(Debug)]
pub(super) struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    pub(super) fn new(threads: usize) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("gapless-sql")
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build();
        let runtime = runtime.map_err(|error| {
            Error::io(format!("threads for SQL cannot be started: {error}")).with_source(error)
        })?;
        Ok(Self(Some(runtime)))
    }

    /// Starts work on these threads. It goes on if the handle is dropped, until it is aborted.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        self.0.as_ref().map(|runtime| runtime.spawn(work))
    }

    /// Does work on these threads; it ends when the result is no longer waited for.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let Some(handle) = self.spawn(work) else {
            return Err(Error::internal("a session has no threads"));
        };
        let mut handle = AbortOnDrop(handle);
        (&mut handle.0)
            .await
            .map_err(|error| Error::internal(format!("a statement was ended: {error}")))
    }

    /// Ends all work, and waits for that, but not longer.
    pub(super) fn close(mut self, wait: Duration) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(wait);
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Work that ends when nobody waits for it any more.
#[derive(Debug)]
pub(super) struct AbortOnDrop<T>(pub(super) JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for a result that comes from other threads. This works on every thread, also on one of another runtime, which it blocks.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(result) => return result,
            Poll::Pending => std::thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
