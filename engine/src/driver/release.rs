//! From the commit to what others can see of it: first the files of results, then everything else, in order.
//!
//! The files of small results are written beside the turns. Whatever came out of the server with or after a result waits for
//! its file, so that anyone who is told of a result finds it.

use crate::server::{Deferred, PendingResult, WriteBack};
use builder_proto::Uuid;
use std::collections::VecDeque;

/// What came of the turns, in order: actions `A` that wait for the commit, and then for the files of results.
#[derive(Debug)]
pub(crate) struct ReleaseQueue<A> {
    /// What came of the present turn and waits for its commit.
    uncommitted: Turn<A>,
    /// What came of earlier turns and waits for the files of their results, the oldest first.
    committed: VecDeque<Batch<A>>,
    /// How many batches there have been.
    batches: u64,
}

/// What waits for a commit, and for the files of results.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Something that the server wants.
    Action(Deferred),
    /// A large result that is complete. Its file in place will say that its build has finished, so the records that say how
    /// come first.
    Store(Uuid),
}

#[derive(Debug)]
struct Turn<A> {
    actions: Vec<A>,
    results: Vec<PendingResult>,
}

#[derive(Debug)]
struct Batch<A> {
    number: BatchNumber,
    actions: VecDeque<A>,
    /// Orders to write files of its results that are not done.
    writes: usize,
}

/// A commit, as those who write the files of its results name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchNumber(u64);

/// Results whose files one writer is to write. Once it has, call [`ReleaseQueue::written`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WriteOrder {
    /// What waits for it.
    pub batch: BatchNumber,
    /// The results, in order.
    pub results: Vec<PendingResult>,
}

impl<A> Default for ReleaseQueue<A> {
    fn default() -> Self {
        ReleaseQueue {
            uncommitted: Turn { actions: Vec::new(), results: Vec::new() },
            committed: VecDeque::new(),
            batches: 0,
        }
    }
}

impl<A> ReleaseQueue<A> {
    /// Puts off an action until everything appended before it is on disk.
    pub(crate) fn defer(&mut self, action: A) {
        self.uncommitted.actions.push(action);
    }

    /// Puts off the writing of a result's file until the log holds the result. What is put off in the same turn or later
    /// waits for the file.
    pub(crate) fn defer_result(&mut self, result: PendingResult) {
        self.uncommitted.results.push(result);
    }

    /// Whether something waits for a commit.
    pub(crate) fn has_uncommitted(&self) -> bool {
        !self.uncommitted.actions.is_empty() || !self.uncommitted.results.is_empty()
    }

    /// Whether nothing waits for anything.
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_uncommitted() && self.committed.is_empty()
    }

    /// Takes note that the commit is made. Gives the files to be written now, for at most so many writers, and has `write_back`
    /// take charge of their results; then call [`ReleaseQueue::next_ready`].
    pub(crate) fn commit(&mut self, write_back: &mut WriteBack, writers: usize) -> Vec<WriteOrder> {
        self.batches += 1;
        let number = BatchNumber(self.batches);
        let results = core::mem::take(&mut self.uncommitted.results);
        results.iter().for_each(|result| write_back.publish(result.clone()));
        let share = results.len().div_ceil(writers.max(1)).max(1);
        let orders: Vec<WriteOrder> = results
            .chunks(share)
            .map(|results| WriteOrder { batch: number, results: results.to_vec() })
            .collect();
        let actions = core::mem::take(&mut self.uncommitted.actions).into();
        self.committed.push_back(Batch { number, actions, writes: orders.len() });
        orders
    }

    /// Takes note that an order is done, whether or not all its files could be written: those that could not are safe in the
    /// log, and are tried again by themselves. Then call [`ReleaseQueue::next_ready`].
    pub(crate) fn written(&mut self, batch: BatchNumber) {
        if let Some(waiting) = self.committed.iter_mut().find(|waiting| waiting.number == batch) {
            waiting.writes = waiting.writes.saturating_sub(1);
        }
    }

    /// An action to be carried out now. None when there is none, or when the next has to wait for a file.
    pub(crate) fn next_ready(&mut self) -> Option<A> {
        while let Some(batch) = self.committed.front_mut().filter(|batch| batch.writes == 0) {
            if let Some(action) = batch.actions.pop_front() {
                return Some(action);
            }
            self.committed.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::record::Contents;
    use std::sync::Arc;

    fn result(number: u128) -> PendingResult {
        let contents = Contents(Arc::new(vec![number as u8]));
        PendingResult { uuid: Uuid::from_u128(number), name: "job".into(), contents }
    }

    fn ready(queue: &mut ReleaseQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.next_ready()).collect()
    }

    #[test]
    fn nothing_is_released_before_its_commit() {
        let (mut queue, mut write_back) = (ReleaseQueue::default(), WriteBack::default());
        queue.defer(1);
        assert!(queue.has_uncommitted());
        assert_eq!(ready(&mut queue), []);
        assert_eq!(queue.commit(&mut write_back, 2), []);
        queue.defer(2);
        assert_eq!(ready(&mut queue), [1]);
        queue.commit(&mut write_back, 2);
        assert_eq!(ready(&mut queue), [2]);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_comes_with_or_after_a_result_waits_for_its_file() {
        let (mut queue, mut write_back) = (ReleaseQueue::default(), WriteBack::default());
        queue.defer(1);
        queue.commit(&mut write_back, 2);
        queue.defer(2);
        queue.defer_result(result(7));
        let orders = queue.commit(&mut write_back, 2);
        queue.defer(3);
        queue.commit(&mut write_back, 2);
        assert_eq!(ready(&mut queue), [1]);
        assert!(!queue.is_empty() && !queue.has_uncommitted());
        assert!(!write_back.is_written_back(), "the log has to keep the result");
        queue.written(orders[0].batch);
        assert_eq!(ready(&mut queue), [2, 3]);
    }

    #[test]
    fn a_file_is_waited_for_even_if_nothing_came_with_it() {
        let (mut queue, mut write_back) = (ReleaseQueue::default(), WriteBack::default());
        queue.defer_result(result(7));
        let orders = queue.commit(&mut write_back, 2);
        queue.defer(1);
        queue.commit(&mut write_back, 2);
        assert_eq!(ready(&mut queue), []);
        assert!(!queue.is_empty());
        queue.written(orders[0].batch);
        assert_eq!(ready(&mut queue), [1]);
        assert!(queue.is_empty());
    }

    #[test]
    fn later_files_do_not_overtake_earlier_ones() {
        let (mut queue, mut write_back) = (ReleaseQueue::default(), WriteBack::default());
        let mut batches = Vec::new();
        for number in [1, 2] {
            queue.defer(number);
            queue.defer_result(result(u128::from(number)));
            batches.push(queue.commit(&mut write_back, 2)[0].batch);
        }
        queue.written(batches[1]);
        assert_eq!(ready(&mut queue), []);
        queue.written(batches[0]);
        assert_eq!(ready(&mut queue), [1, 2]);
    }

    #[test]
    fn files_are_shared_out_among_the_writers_and_all_of_them_are_waited_for() {
        let (mut queue, mut write_back) = (ReleaseQueue::default(), WriteBack::default());
        queue.defer(1);
        (1..=5).for_each(|number| queue.defer_result(result(number)));
        let orders = queue.commit(&mut write_back, 2);
        assert_eq!(orders.iter().map(|order| order.results.len()).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(
            orders.iter().flat_map(|order| order.results.clone()).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5].map(result)
        );
        queue.written(orders[0].batch);
        assert_eq!(ready(&mut queue), []);
        queue.written(orders[1].batch);
        assert_eq!(ready(&mut queue), [1]);
    }
}
