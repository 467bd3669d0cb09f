//! Collections that are cheap to clone and to change while clones exist: the view is such a clone, taken each turn.
//!
//! Both hold their entries in pages. A clone shares all pages, and a change copies the one page that it touches.

use std::collections::BTreeMap;
use std::ops::Index;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Entries of a page: about as many as there are pages when 10,000 services are watched, so that copying a page
/// costs as much as copying the list of pages.
const PAGE: usize = 100;

/// A page that clones share until one of them changes it.
type Page<T> = Arc<Vec<T>>;

/// A vector of fixed length.
#[derive(Clone, Debug)]
pub struct PagedVec<T> {
    pages: Arc<Vec<Page<T>>>,
}

impl<T: Clone + Default> PagedVec<T> {
    /// This many entries, all of them empty.
    pub fn new(length: usize) -> Self {
        let page = |start| Arc::new(vec![T::default(); PAGE.min(length - start)]);
        Self { pages: Arc::new((0..length).step_by(PAGE).map(page).collect()) }
    }

    /// The entry at a place below the length, to be changed.
    pub fn get_mut(&mut self, place: usize) -> &mut T {
        &mut Arc::make_mut(&mut Arc::make_mut(&mut self.pages)[place / PAGE])[place % PAGE]
    }

    /// Every entry, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.pages.iter().flat_map(|page| page.iter())
    }
}

impl<T> Index<usize> for PagedVec<T> {
    type Output = T;

    fn index(&self, place: usize) -> &T {
        &self.pages[place / PAGE][place % PAGE]
    }
}

/// A sorted map. Written as a map, and read from one.
#[derive(Clone, Debug)]
pub struct PagedMap<K, V> {
    /// No page is empty.
    pages: Arc<Vec<Page<(K, V)>>>,
}

impl<K, V> Default for PagedMap<K, V> {
    fn default() -> Self {
        Self { pages: Arc::default() }
    }
}

impl<K: Ord + Clone, V: Clone + Default> PagedMap<K, V> {
    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let page = &self.pages[self.page_of(key)?];
        let place = page.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        Some(&page[place].1)
    }

    /// The value of a key, to be changed; a key that is new has the default.
    pub fn entry(&mut self, key: &K) -> &mut V {
        let number = self.page_for(key);
        let page = Arc::make_mut(&mut Arc::make_mut(&mut self.pages)[number]);
        let place = match page.binary_search_by(|(known, _)| known.cmp(key)) {
            Ok(place) => place,
            Err(place) => {
                page.insert(place, (key.clone(), V::default()));
                place
            }
        };
        &mut page[place].1
    }

    /// Takes a key out, with its value.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let number = self.page_of(key)?;
        let place = self.pages[number].binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        let pages = Arc::make_mut(&mut self.pages);
        let page = Arc::make_mut(&mut pages[number]);
        let (_, value) = page.remove(place);
        if page.is_empty() {
            pages.remove(number);
        }
        Some(value)
    }

    /// Every key with its value, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.pages.iter().flat_map(|page| page.iter()).map(|(key, value)| (key, value))
    }

    /// The page that has the key, if any has.
    fn page_of(&self, key: &K) -> Option<usize> {
        self.pages.partition_point(|page| page.first().is_some_and(|(first, _)| first <= key)).checked_sub(1)
    }

    /// The page that has the key or will; a full one is halved first.
    fn page_for(&mut self, key: &K) -> usize {
        let number = self.page_of(key).unwrap_or(0);
        let is_full = self.pages.get(number).is_none_or(|page| page.len() >= 2 * PAGE);
        if !is_full {
            return number;
        }
        let pages = Arc::make_mut(&mut self.pages);
        match pages.get_mut(number) {
            Some(page) => {
                let half = Arc::make_mut(page).split_off(PAGE);
                let is_in_half = half.first().is_some_and(|(first, _)| first <= key);
                pages.insert(number + 1, Arc::new(half));
                number + usize::from(is_in_half)
            }
            None => {
                pages.push(Arc::default());
                number
            }
        }
    }
}

/// Two maps are equal when their entries are, however these are spread over pages.
impl<K: Ord + Clone, V: Clone + Default + PartialEq> PartialEq for PagedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<K: Ord + Clone + Serialize, V: Clone + Default + Serialize> Serialize for PagedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, K: Ord + Clone + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for PagedMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut entries = BTreeMap::<K, V>::deserialize(deserializer)?.into_iter().peekable();
        let mut pages = Vec::new();
        while entries.peek().is_some() {
            pages.push(Arc::new(entries.by_ref().take(PAGE).collect()));
        }
        Ok(Self { pages: Arc::new(pages) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_in_pages_is_the_map_that_it_stands_for() {
        let (mut paged, mut plain) = (PagedMap::default(), BTreeMap::<u64, u64>::new());
        // Every residue once, in an order that jumps about.
        for n in (0..5_003_u64).map(|n| n * 1_663 % 5_003) {
            *paged.entry(&n) += n;
            *plain.entry(n).or_default() += n;
        }
        for n in (0..5_100).filter(|n| n % 3 == 0 || (1_000..2_000).contains(n)) {
            assert_eq!(paged.remove(&n), plain.remove(&n));
        }
        assert!(paged.iter().eq(plain.iter()));
        assert!((0..5_100).all(|n| paged.get(&n) == plain.get(&n)));
        assert!(paged.pages.iter().all(|page| (1..=2 * PAGE).contains(&page.len())));
    }

    #[test]
    fn a_map_is_read_back_equal_although_its_pages_differ() {
        let mut map = PagedMap::<u64, u64>::default();
        (0..1_000).rev().for_each(|n| *map.entry(&n) = n * n);
        let text = serde_json::to_string(&map).unwrap();
        let read: PagedMap<u64, u64> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, map);
        assert_ne!(read.pages.len(), map.pages.len());
    }

    #[test]
    fn a_change_is_not_seen_in_a_clone_and_copies_one_page() {
        let mut vector = PagedVec::<u64>::new(PAGE * 10 + 1);
        let before = vector.clone();
        *vector.get_mut(PAGE * 10) = 7;
        assert_eq!((before[PAGE * 10], vector[PAGE * 10], vector.iter().count()), (0, 7, PAGE * 10 + 1));
        let shared = before.pages.iter().zip(vector.pages.iter()).filter(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(shared.count(), 10);
    }
}
