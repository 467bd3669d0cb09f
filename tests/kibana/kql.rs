//! The part of Kibana's query language that the dashboards use, as the search that Kibana makes of it: `field : value`,
//! `field : ("a" or "b")`, `and`, `or`, `not`, and parentheses.

use serde_json::{Value, json};

/// A query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Query {
    /// A field has a value; one in quotes is taken as it is.
    Is { field: String, value: Word },
    /// All of them hold.
    All(Vec<Query>),
    /// One of them holds at least.
    Any(Vec<Query>),
    /// It does not hold.
    Not(Box<Query>),
}

/// A value, with or without quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    text: String,
    is_quoted: bool,
}

impl Query {
    /// Reads a query. None where it is empty, which finds everything.
    ///
    /// # Errors
    /// What is not understood, and where.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let mut tokens = Tokens { all: tokens(text)?, at: 0 };
        if tokens.all.is_empty() {
            return Ok(None);
        }
        let query = tokens.any()?;
        match tokens.peek() {
            None => Ok(Some(query)),
            Some(rest) => Err(format!("nothing more was expected at {rest:?}")),
        }
    }

    /// Every field that it asks for.
    pub fn fields(&self) -> Vec<&str> {
        match self {
            Self::Is { field, .. } => vec![field],
            Self::All(all) | Self::Any(all) => all.iter().flat_map(Self::fields).collect(),
            Self::Not(query) => query.fields(),
        }
    }

    /// The same in Elasticsearch's own words.
    pub fn search(&self) -> Value {
        let several = |all: &[Self]| all.iter().map(Self::search).collect::<Vec<_>>();
        match self {
            Self::Is { field, value } => {
                let text = &value.text;
                let one = match (value.is_quoted, text.as_str()) {
                    (true, _) => json!({"match_phrase": {field: text}}),
                    (false, "true" | "false") => json!({"match": {field: text == "true"}}),
                    (false, _) => json!({"match": {field: text}}),
                };
                json!({"bool": {"should": [one], "minimum_should_match": 1}})
            }
            Self::All(all) => json!({"bool": {"filter": several(all)}}),
            Self::Any(all) => json!({"bool": {"should": several(all), "minimum_should_match": 1}}),
            Self::Not(query) => json!({"bool": {"must_not": query.search()}}),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Open,
    Close,
    Colon,
    Word(Word),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ':' => (Token::Colon, 1),
            '"' => {
                let end = rest[1..].find('"').ok_or_else(|| format!("no closing quote in {rest:?}"))?;
                (Token::Word(Word { text: rest[1..=end].to_owned(), is_quoted: true }), end + 2)
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "():\"".contains(c)).unwrap_or(rest.len());
                let word = &rest[..end];
                // What has a meaning in the language that is not translated here is refused, so that nothing is misread.
                if word.contains(['*', '<', '>', '{', '}', '\\']) {
                    return Err(format!("{word:?} is more of the language than the dashboards use"));
                }
                (Token::Word(Word { text: word.to_owned(), is_quoted: false }), end)
            }
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

struct Tokens {
    all: Vec<Token>,
    at: usize,
}

impl Tokens {
    fn peek(&self) -> Option<&Token> {
        self.all.get(self.at)
    }

    /// Takes the next one if it is this.
    fn take(&mut self, token: &Token) -> bool {
        let is_it = self.peek() == Some(token);
        self.at += usize::from(is_it);
        is_it
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Word(next)) if !next.is_quoted && next.text.eq_ignore_ascii_case(word));
        self.at += usize::from(is_it);
        is_it
    }

    fn word(&mut self, what: &str) -> Result<Word, String> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            other => Err(format!("{what} was expected, not {other:?}")),
        }
    }

    fn any(&mut self) -> Result<Query, String> {
        let mut all = vec![self.all()?];
        while self.take_word("or") {
            all.push(self.all()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Query::Any(all) })
    }

    fn all(&mut self) -> Result<Query, String> {
        let mut all = vec![self.one()?];
        while self.take_word("and") {
            all.push(self.one()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Query::All(all) })
    }

    fn one(&mut self) -> Result<Query, String> {
        if self.take_word("not") {
            return Ok(Query::Not(Box::new(self.one()?)));
        }
        if self.take(&Token::Open) {
            let query = self.any()?;
            return self.closed(query);
        }
        let field = self.word("a field")?.text;
        if !self.take(&Token::Colon) {
            return Err(format!("`:` was expected behind {field}"));
        }
        let is = |value: Word| Query::Is { field: field.clone(), value };
        if !self.take(&Token::Open) {
            return Ok(is(self.word("a value")?));
        }
        let mut values = vec![is(self.word("a value")?)];
        while self.take_word("or") {
            values.push(is(self.word("a value")?));
        }
        self.closed(Query::Any(values))
    }

    fn closed(&mut self, query: Query) -> Result<Query, String> {
        if self.take(&Token::Close) { Ok(query) } else { Err("`)` is missing".to_owned()) }
    }
}
