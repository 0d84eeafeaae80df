//! A commit is told to a follower together with the next entry, where one is about to come.
//!
//! openraft tells each commit at once, in a message of its own where no entry can take it along. Under load that is half of the
//! messages between replicas, each as dear as one with an entry. So a commit alone waits for a next entry for about as long as the
//! last ones were apart. Where entries come seldom it does not wait.
//!
//! Guarantees: a commit waits for [`WAIT_MAX`] at most; nothing else waits, and order is kept. A request that is left out is answered
//! by the answer to the one after it, which was sent later and says more.

use futures::{Stream, StreamExt, stream};
use stator_environment::Environment;
use std::{sync::Arc, time::Duration};

/// The longest wait.
const WAIT_MAX: Duration = Duration::from_millis(20);

/// What a follower is sent.
pub(crate) trait Append {
    fn has_entries(&self) -> bool;
}

struct Sharing<S> {
    requests: S,
    environment: Arc<Environment>,
    /// When the last entries left, and how long after those before.
    last: Option<(Duration, Duration)>,
}

/// The requests without commits that a next request tells as well.
pub(crate) fn share<S>(requests: S, environment: Arc<Environment>) -> impl Stream<Item = S::Item> + Send + 'static
where
    S: Stream<Item: Append + Send> + Unpin + Send + 'static,
{
    // The end may be met while a commit waits, and is asked for once more.
    let sharing = Sharing { requests: requests.fuse(), environment, last: None };
    stream::unfold(sharing, |mut sharing| async move { Some((sharing.next().await?, sharing)) })
}

impl<S: Stream<Item: Append> + Unpin> Sharing<S> {
    async fn next(&mut self) -> Option<S::Item> {
        let mut request = self.requests.next().await?;
        if !request.has_entries()
            && let Some(wait) = self.wait()
            && let Some(Some(later)) = self.environment.timeout(wait, self.requests.next()).await
        {
            request = later;
        }
        if request.has_entries() {
            let now = self.environment.clock.elapsed();
            let apart = self.last.map_or(Duration::MAX, |(last, _)| now.saturating_sub(last));
            self.last = Some((now, apart));
        }
        Some(request)
    }

    /// How long a next entry is worth to wait for.
    fn wait(&self) -> Option<Duration> {
        let (_, apart) = self.last?;
        (apart <= WAIT_MAX / 2).then(|| 2 * apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stator_environment::{Clock, SystemRandom, TokioTasks};
    use tokio::{sync::mpsc, time::Instant};

    const MS: Duration = Duration::from_millis(1);

    #[derive(Debug, PartialEq, Eq)]
    enum Sent {
        Entry,
        Commit(u32),
    }

    impl Append for Sent {
        fn has_entries(&self) -> bool {
            *self == Sent::Entry
        }
    }

    struct PausedClock(Instant);

    impl Clock for PausedClock {
        fn wall_ms(&self) -> u64 {
            0
        }

        fn elapsed(&self) -> Duration {
            self.0.elapsed()
        }
    }

    /// What goes out, and after how many milliseconds, when these come after so many.
    async fn sent(coming: Vec<(u64, Sent)>) -> Vec<(u64, Sent)> {
        let begun = Instant::now();
        let (sender, receiver) = mpsc::channel(1);
        let requests = Box::pin(stream::unfold(receiver, |mut requests: mpsc::Receiver<Sent>| async move {
            Some((requests.recv().await?, requests))
        }));
        let source = tokio::spawn(async move {
            for (at, request) in coming {
                tokio::time::sleep_until(begun + MS * at as u32).await;
                sender.send(request).await.expect("it is received");
            }
        });
        let clock = Arc::new(PausedClock(begun));
        let environment = Environment { clock, random: Arc::new(SystemRandom), tasks: Arc::new(TokioTasks) };
        let going = Box::pin(share(requests, Arc::new(environment)));
        let gone = going.map(|request| (begun.elapsed().as_millis() as u64, request)).collect().await;
        source.await.expect("all was sent");
        gone
    }

    fn entry(at: u64) -> (u64, Sent) {
        (at, Sent::Entry)
    }

    fn commit(at: u64, number: u32) -> (u64, Sent) {
        (at, Sent::Commit(number))
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_goes_with_the_next_entry_that_comes_soon() {
        let coming = vec![entry(0), entry(5), entry(10), commit(11, 1), entry(14), commit(15, 2), entry(19)];
        assert_eq!(sent(coming).await, [entry(0), entry(5), entry(10), entry(14), entry(19)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_goes_alone_when_no_entry_comes() {
        let late = vec![entry(0), entry(5), commit(6, 1), entry(90)];
        assert_eq!(sent(late).await, [entry(0), entry(5), commit(16, 1), entry(90)]);
        let none = vec![entry(0), entry(5), commit(6, 1)];
        assert_eq!(sent(none).await, [entry(0), entry(5), commit(6, 1)], "there will be none");
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_commits_the_later_goes_at_once() {
        let coming = vec![entry(0), entry(5), commit(6, 1), commit(8, 2)];
        assert_eq!(sent(coming).await, [entry(0), entry(5), commit(8, 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn where_entries_are_rare_no_commit_waits() {
        let coming = vec![commit(0, 1), entry(1), commit(2, 2), entry(50), commit(51, 3)];
        assert_eq!(sent(coming).await, [commit(0, 1), entry(1), commit(2, 2), entry(50), commit(51, 3)]);
    }
}
