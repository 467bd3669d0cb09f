//! Takes secrets out of what strangers wrote, before it is recorded, shown or logged.
//!
//! It goes by forms: headers, URLs, names that say "secret", and the well-known shapes of tokens and keys. A secret
//! without any such form is not found, so quoting stays short and rare. It would rather take too much.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// What stands in the place of a secret.
const GONE: &str = "***";

/// Names that say that their value is a secret, as a part of a longer name too.
const NAMES: &str = "password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|auth[_-]?key|encryption[_-]?key|credential|session[_-]?id|connection[_-]?string";

/// Forms of secrets, each with what takes its place. The order matters: whole blocks first, single values last.
static FORMS: LazyLock<Vec<(Regex, String)>> = LazyLock::new(|| {
    let kept = format!("${{kept}}{GONE}");
    let forms = [
        (r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----(?s:.*?)(-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----|\z)".to_owned(), GONE.to_owned()),
        // The beginning was cut off.
        (r"\A(?s:.*?)-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----".to_owned(), GONE.to_owned()),
        (r#"(?i)(?<kept>\b(proxy-)?authorization\\*["']\s*[:=]\s*\\*["'])[^"'\\\r\n]*"#.to_owned(), kept.clone()),
        (r"(?i)(?<kept>\b(proxy-)?authorization\s*[:=]\s*)[^\r\n]+".to_owned(), kept.clone()),
        (r"(?i)(?<kept>\b(set-)?cookie\s*[:=]\s*)[^\r\n]+".to_owned(), kept.clone()),
        (r"(?i)(?<kept>\bbearer\s+)[a-z0-9._~+/=-]{8,}".to_owned(), kept.clone()),
        (r#"(?<kept>\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/?#"'<>]*@"#.to_owned(), format!("${{kept}}{GONE}@")),
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*".to_owned(), GONE.to_owned()),
        (r"\b(AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[A-Z0-9]{16}\b".to_owned(), GONE.to_owned()),
        (r"\b(gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|whsec_|sk-|sk_live_|rk_live_|npm_|pypi-|AIza|ya29\.)[A-Za-z0-9_./+=-]{16,}".to_owned(), GONE.to_owned()),
        (format!(r#"(?i)(?<kept>[a-z0-9_.-]*({NAMES})[a-z0-9_.-]*\\*["']?\s*(=>|:=|[:=])\s*)("([^"\\]|\\.)*"|'[^']*'|[^\s,;&}}\])]+)"#), kept.clone()),
        (format!(r#"(?i)(?<kept>(^|\s)--?[a-z0-9-]*({NAMES})[a-z0-9-]*\s+)("[^"]*"|'[^']*'|[^\s-]\S*)"#), kept),
    ];
    // A form that cannot be read would be found by the first test.
    forms.into_iter().filter_map(|(form, with)| Some((Regex::new(&form).ok()?, with))).collect()
});

/// The text without what looks like a secret.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut redacted = Cow::Borrowed(text);
    for (form, with) in FORMS.iter() {
        if let Cow::Owned(changed) = form.replace_all(&redacted, with.as_str()) {
            redacted = Cow::Owned(changed);
        }
    }
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_can_be_read() {
        assert_eq!(FORMS.len(), 12);
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(redact(text), expected);
    }

    #[test]
    fn headers_lose_their_credentials() {
        check("> Authorization: Basic dXNlcjpodW50ZXIy", "> Authorization: ***");
        check(
            "authorization: Digest username=\"u\", response=\"6629\"\nHost: web",
            "authorization: ***\nHost: web",
        );
        check(r#"{"Authorization": "Bearer abc.def", "x": 1}"#, r#"{"Authorization": "***", "x": 1}"#);
        check(r#"{\"authorization\":\"Token 123\",\"x\":1}"#, r#"{\"authorization\":\"***\",\"x\":1}"#);
        check("Set-Cookie: sid=1; HttpOnly", "Set-Cookie: ***");
        check("sent bearer AbCdEf0123456789 to web", "sent bearer *** to web");
    }

    #[test]
    fn urls_lose_user_and_password() {
        check(
            "connect postgres://app:hunter2@db:5432/app failed",
            "connect postgres://***@db:5432/app failed",
        );
        check("amqp://u:p@ss@mq/v", "amqp://***@mq/v");
        check("https://token@example.com/x", "https://***@example.com/x");
    }

    #[test]
    fn values_of_names_that_say_secret_are_gone() {
        check("DB_PASSWORD=hunter2 DB_HOST=db", "DB_PASSWORD=*** DB_HOST=db");
        check("password: \"two words\", user: x", "password: ***, user: x");
        check(r#"{"client_secret":"a\"b","id":7}"#, r#"{"client_secret":***,"id":7}"#);
        check("GET /x?api_key=123&page=2", "GET /x?api_key=***&page=2");
        check("aws_secret_access_key = wJalr/XUtn+FEMI", "aws_secret_access_key = ***");
        check("refreshToken => 'abc'", "refreshToken => ***");
        check("mysql --password hunter2 --host db", "mysql --password *** --host db");
        check("AccountKey=abc==;ConnectionString=Server=x;", "AccountKey=abc==;ConnectionString=***;");
    }

    #[test]
    fn keys_and_tokens_are_known_by_their_shape() {
        check("key AKIAIOSFODNN7EXAMPLE used", "key *** used");
        check("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "got ***");
        check("ghp_0123456789abcdefABCDEF0123456789abcd", "***");
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "***");
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----";
        check(&format!("before\n{pem}\nafter"), "before\n***\nafter");
        check("-----BEGIN PRIVATE KEY-----\nMIIEow", "***");
        check("QIBAAKCAQEA\n-----END PRIVATE KEY-----\nafter", "***\nafter");
    }

    #[test]
    fn what_says_why_something_failed_stays() {
        for text in [
            "connection refused: http://web:8080/health?full=1",
            "2026-11-24T10:00:00Z ERROR worker 7: out of memory (137)",
            "user alice@example.com not found",
            "{\"status\":\"DOWN\",\"details\":{\"free\":1024,\"threshold\":10485760}}",
            "keyboard interrupt; monkey=7; the tokenizer was slow",
            "authentication failed for user app",
            "exit status: 1: secretary not available",
        ] {
            check(text, text);
        }
    }
}
