//! Threads for what no caller waits for: pages, exports, messages to other systems, tidying.

use tokio::runtime::{Builder, Handle, Runtime};

use crate::priority;

/// Threads that such work shares; what blocks has threads of its own, behind calls like these.
const THREADS: usize = 2;

/// A runtime behind that of calls ([`priority::behind_calls`]). What runs in it ends when this is dropped.
pub(super) struct Background(Option<Runtime>);

impl Background {
    pub(super) fn start() -> std::io::Result<Self> {
        let mut threads = Builder::new_multi_thread();
        threads.worker_threads(THREADS).thread_name("background").on_thread_start(priority::behind_calls);
        Ok(Self(Some(threads.enable_all().build()?)))
    }

    pub(super) fn handle(&self) -> &Handle {
        self.0.as_ref().expect("it is there until it is dropped").handle()
    }

    /// Runs something there, and waits for it.
    ///
    /// # Panics
    /// With the work.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.handle().spawn(work).await.expect("nobody cancels it, and it does not panic")
    }
}

impl Drop for Background {
    /// Waits for nobody, for it may be dropped on a thread that must not wait.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
