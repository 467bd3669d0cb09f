//! Answers that are kept, so that the same request need not be worked on again.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

/// Answers that are kept; the oldest goes first.
const MOST_ANSWERS: usize = 1_000;

/// The longest request whose answer is kept, in bytes.
const MOST_REQUEST: usize = 16 * 1_024;

/// Answers by request, while it is switched on.
#[derive(Default, Debug)]
pub(super) struct Cache {
    is_on: bool,
    answers: BTreeMap<String, Value>,
    /// Requests in the order in which their answers came.
    order: VecDeque<String>,
}

impl Cache {
    /// Whether answers are kept.
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Keeps answers from now on, or forgets them all.
    pub(super) fn switch(&mut self, is_on: bool) {
        *self = if is_on { Self { is_on, ..std::mem::take(self) } } else { Self::default() };
    }

    /// The answer that was kept for this request.
    pub(super) fn get(&self, request: &str) -> Option<&Value> {
        self.answers.get(request)
    }

    /// Keeps the answer of a request.
    pub(super) fn keep(&mut self, request: String, answer: Value) {
        if !self.is_on || request.len() > MOST_REQUEST {
            return;
        }
        if self.answers.insert(request.clone(), answer).is_none() {
            self.order.push_back(request);
        }
        if self.order.len() > MOST_ANSWERS
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_for_its_own_request_while_the_cache_is_on() {
        let mut cache = Cache::default();
        cache.keep("before".to_owned(), 1.into());
        cache.switch(true);
        cache.keep("btc".to_owned(), 2.into());
        assert_eq!((cache.get("before"), cache.get("btc"), cache.get("eth")), (None, Some(&2.into()), None));
        cache.switch(true);
        assert_eq!(cache.get("btc"), Some(&2.into()));
        cache.switch(false);
        cache.switch(true);
        assert_eq!(cache.get("btc"), None);
    }

    #[test]
    fn it_holds_so_many_answers_and_no_request_that_is_too_long() {
        let mut cache = Cache::default();
        cache.switch(true);
        for number in 0..=MOST_ANSWERS {
            cache.keep(number.to_string(), number.into());
            cache.keep(number.to_string(), number.into());
        }
        cache.keep("x".repeat(MOST_REQUEST + 1), 0.into());
        assert_eq!((cache.answers.len(), cache.order.len()), (MOST_ANSWERS, MOST_ANSWERS));
        assert_eq!((cache.get("0"), cache.get("1")), (None, Some(&1.into())));
    }
}
