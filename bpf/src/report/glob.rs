//! Cgroup globs: which paths a `--cgroup` or a `--fail-if` means.
//!
//! A path is matched component by component, the root `/` being none. `*` is anything within one component, `?` one
//! character, `[a-z]` or `[!a-z]` one of a set, `\` takes the next character as it is; `**` as a whole component is any
//! number of components, none included: `/shop/*` is the children of `/shop`, `/shop/**` is `/shop` and all below it,
//! `**/api` an `api` anywhere. The leading `/` may be left out. The whole path must match.

/// A parsed glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `**`: any number of components.
    Any,
    /// One component.
    One(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    Question,
    Star,
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Glob {
    /// A glob from its text, or one line that says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty cgroup glob: write a path such as '/shop/api', '/shop/*' or '**/api'".into());
        }
        let body = text.strip_prefix('/').unwrap_or(text);
        let mut parts = Vec::new();
        for part in components(body) {
            parts.push(match part.as_str() {
                "" => {
                    return Err(format!(
                        "{text:?} has an empty component: write one '/' between two names"
                    ));
                }
                "**" => Part::Any,
                _ => Part::One(tokens(&part).map_err(|what| format!("{text:?}: {what}"))?),
            });
        }
        Ok(Self {
            text: text.into(),
            parts,
        })
    }

    /// What was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the path, such as `/shop/api`, is one of those meant.
    pub fn matches(&self, path: &str) -> bool {
        let path = path.strip_prefix('/').unwrap_or(path);
        let names: Vec<&str> = if path.is_empty() {
            Vec::new()
        } else {
            path.split('/').collect()
        };
        // reach[i]: the parts so far can match the first i names. Quadratic at worst, whatever the glob.
        let mut reach = vec![false; names.len() + 1];
        reach[0] = true;
        for part in &self.parts {
            let mut next = vec![false; reach.len()];
            match part {
                Part::Any => {
                    let first = reach.iter().position(|&here| here).unwrap_or(reach.len());
                    next[first..].fill(true);
                }
                Part::One(tokens) => {
                    for (i, name) in names.iter().enumerate() {
                        next[i + 1] = reach[i] && one(tokens, name);
                    }
                }
            }
            reach = next;
        }
        reach.last().copied().unwrap_or(false)
    }
}

/// A glob's components; a `/` after a `\` or within `[...]` separates all the same, since no name can hold one.
/// An empty body (the root) has none; one trailing `/` is forgiven.
fn components(body: &str) -> Vec<String> {
    let body = body.strip_suffix('/').unwrap_or(body);
    if body.is_empty() {
        Vec::new()
    } else {
        body.split('/').map(str::to_owned).collect()
    }
}

fn tokens(part: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = part.chars().peekable();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' if rest.peek() == Some(&'*') => {
                return Err("'**' stands for whole components: write it alone between two '/', or '*' within a name");
            }
            '*' => Token::Star,
            '?' => Token::Question,
            '\\' => Token::Char(
                rest.next()
                    .ok_or("nothing follows the last '\\': write '\\\\' for a backslash")?,
            ),
            '[' => set(&mut rest)?,
            other => Token::Char(other),
        });
    }
    Ok(tokens)
}

/// The rest of a set, after its `[`.
fn set(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, &'static str> {
    const UNCLOSED: &str = "'[' is never closed: write '[abc]', or '\\[' for a bracket";
    let negated = rest.next_if(|c| matches!(c, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let first = match rest.next().ok_or(UNCLOSED)? {
            ']' if ranges.is_empty() => return Err("'[]' is a set of nothing: write '[abc]', or '\\[' for a bracket"),
            ']' => return Ok(Token::Set { negated, ranges }),
            '\\' => rest.next().ok_or(UNCLOSED)?,
            other => other,
        };
        // A '-' before ']' is itself.
        let mut ahead = rest.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) if last != ']' => {
                rest.next();
                rest.next();
                if last == '\\' {
                    rest.next().ok_or(UNCLOSED)?
                } else {
                    last
                }
            }
            _ => first,
        };
        if last < first {
            return Err("a range in '[...]' runs backwards: write the smaller end first, such as [a-z]");
        }
        ranges.push((first, last));
    }
}

/// Whether one name matches one component: on a mismatch, the last star takes one character more.
fn one(tokens: &[Token], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut t, mut n) = (0, 0);
    let mut retry = None;
    while n < name.len() {
        match tokens.get(t) {
            Some(Token::Star) => {
                retry = Some((t + 1, n));
                t += 1;
                continue;
            }
            Some(token) if fits(token, name[n]) => {
                t += 1;
                n += 1;
                continue;
            }
            _ => {}
        }
        let Some((after_star, taken)) = retry else { return false };
        retry = Some((after_star, taken + 1));
        (t, n) = (after_star, taken + 1);
    }
    tokens[t..].iter().all(|token| *token == Token::Star)
}

fn fits(token: &Token, c: char) -> bool {
    match token {
        Token::Char(wanted) => *wanted == c,
        Token::Question => true,
        Token::Star => false,
        Token::Set { negated, ranges } => ranges.iter().any(|&(from, to)| (from..=to).contains(&c)) != *negated,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(glob: &str, path: &str) -> bool {
        Glob::parse(glob).expect(glob).matches(path)
    }

    #[test]
    fn a_star_stays_within_a_component_and_two_cross() {
        assert!(matches("/shop/*", "/shop/api") && !matches("/shop/*", "/shop/api/x") && !matches("/shop/*", "/shop"));
        for path in ["/shop", "/shop/api", "/shop/api/x"] {
            assert!(matches("/shop/**", path), "{path}");
        }
        assert!(matches("**/api", "/api") && matches("**/api", "/a/b/api") && !matches("**/api", "/a/api/b"));
        assert!(matches("/a/**/z", "/a/z") && matches("/a/**/z", "/a/b/c/z"));
        assert!(matches("**", "/") && matches("**", "(rest)") && matches("/", "/") && !matches("/*", "/"));
    }

    #[test]
    fn names_match_by_character_set_and_escape() {
        assert!(matches("/pod[0-9]?", "/pod12") && !matches("/pod[0-9]?", "/podx2"));
        assert!(matches("/[!a]b", "/cb") && !matches("/[!a]b", "/ab") && matches("/[a-]", "/-"));
        assert!(matches("/a\\*", "/a*") && !matches("/a\\*", "/ab"));
        assert!(matches("shop/api", "/shop/api") && matches("/shop/", "/shop"));
        assert!(matches("/*.service", "/dbus.service") && matches("/a*b*c", "/aXbYbc"));
    }

    #[test]
    fn a_bad_glob_is_refused_with_what_to_write() {
        for (glob, says) in [
            ("", "'/shop/api'"),
            ("/a//b", "one '/'"),
            ("/a**", "alone between two '/'"),
            ("/***", "alone between two '/'"),
            ("/a[bc", "never closed"),
            ("/a[]", "set of nothing"),
            ("/a[z-a]", "smaller end first"),
            ("/a\\", "'\\\\'"),
        ] {
            let error = Glob::parse(glob).expect_err(glob);
            assert!(error.contains(says) && !error.contains('\n'), "{glob}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_glob_and_no_path_panics(glob in "[/*?\\[\\]!^a-c\\\\-]{0,20}", path in "[/a-c*]{0,30}") {
            if let Ok(glob) = Glob::parse(&glob) {
                let _ = glob.matches(&path);
            }
        }

        #[test]
        fn a_path_without_special_characters_matches_itself_alone(a in "(/[a-z.]{1,5}){1,4}", b in "(/[a-z.]{1,5}){1,4}") {
            prop_assert!(matches(&a, &a));
            prop_assert_eq!(matches(&a, &b), a == b);
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let glob = Glob::parse(&format!("/{}b", "a*".repeat(40))).expect("a glob");
        assert!(!glob.matches(&format!("/{}", "a".repeat(200))));
        let deep = Glob::parse(&format!("{}x", "**/".repeat(30))).expect("a glob");
        assert!(!deep.matches(&"/a".repeat(200)));
    }
}
