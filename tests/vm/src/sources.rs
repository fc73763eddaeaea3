//! Reads the machine's own apt sources, to fetch from the mirror that its owner chose.

use crate::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// One source: where, and which suites with `main` in them.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    uris: Vec<String>,
    suites: Vec<String>,
}

/// The address of the Debian mirror this machine uses: `$GHOSTSCHED_DEBIAN_MIRROR`, else the source of its own release.
///
/// # Errors
/// [`Error::Tool`] when the machine names none, say because it is not a Debian.
pub fn debian_mirror() -> Result<String, Error> {
    if let Some(mirror) = std::env::var("GHOSTSCHED_DEBIAN_MIRROR")
        .ok()
        .filter(|mirror| !mirror.is_empty())
    {
        return Ok(mirror);
    }
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        os.lines()
            .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.trim_matches('"').to_owned()))
    };
    let codename = field("VERSION_CODENAME").unwrap_or_default();
    let sources = if field("ID").as_deref() == Some("debian") {
        read_all(Path::new("/etc/apt"))
    } else {
        Vec::new()
    };
    choose(&sources, &codename).ok_or_else(|| Error::Tool {
        what: "finding a Debian mirror".into(),
        why: "this machine's apt sources name none; set GHOSTSCHED_DEBIAN_MIRROR to one".into(),
    })
}

/// The first address that carries `codename`; one that carries its updates too is surely Debian's own and wins.
fn choose(sources: &[Source], codename: &str) -> Option<String> {
    let carries = |uri: &str, suite: &str| {
        sources
            .iter()
            .any(|source| source.uris.iter().any(|u| u == uri) && source.suites.iter().any(|s| s == suite))
    };
    let all = || {
        sources
            .iter()
            .flat_map(|source| &source.uris)
            .filter(|uri| carries(uri, codename))
    };
    all()
        .find(|uri| carries(uri, &format!("{codename}-updates")))
        .or_else(|| all().next())
        .cloned()
}

fn read_all(etc: &Path) -> Vec<Source> {
    let mut files = vec![etc.join("sources.list")];
    let parts = fs::read_dir(etc.join("sources.list.d"));
    let mut parts: Vec<PathBuf> = parts
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    parts.sort();
    files.extend(parts);
    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap_or_default();
        match file.extension().and_then(|end| end.to_str()) {
            Some("sources") => stanzas(&text),
            Some("list") => lines(&text),
            _ => Vec::new(),
        }
    };
    files.iter().flat_map(read).collect()
}

/// The one-line format: `deb [option=value] URI SUITE COMPONENT...`.
fn lines(text: &str) -> Vec<Source> {
    let source = |line: &str| {
        let line = line.split('#').next()?.trim().strip_prefix("deb")?;
        let line = line.strip_prefix([' ', '\t'])?.trim_start();
        let line = if line.starts_with('[') {
            line.split_once(']')?.1
        } else {
            line
        };
        let mut words = line.split_whitespace().map(str::to_owned);
        let (uri, suite) = (words.next()?, words.next()?);
        words.any(|word| word == "main").then_some(Source {
            uris: vec![uri],
            suites: vec![suite],
        })
    };
    text.lines().filter_map(source).collect()
}

/// The stanza format ("deb822"): `URIs:`, `Suites:`, `Components:`, `Enabled:`; a line that begins with a space goes on.
fn stanzas(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for stanza in lines.split(|line| line.trim().is_empty()) {
        let field = |name: &str| -> Vec<String> {
            let at = stanza.iter().position(|line| {
                line.split_once(':')
                    .is_some_and(|(field, _)| field.eq_ignore_ascii_case(name))
            });
            let Some(at) = at else { return Vec::new() };
            let first = stanza[at].split_once(':').map_or("", |(_, value)| value);
            let more = stanza[at + 1..]
                .iter()
                .take_while(|line| line.starts_with([' ', '\t']))
                .copied();
            std::iter::once(first)
                .chain(more)
                .flat_map(str::split_whitespace)
                .map(str::to_owned)
                .collect()
        };
        let has = |name: &str, word: &str| field(name).iter().any(|value| value == word);
        if has("Types", "deb") && has("Components", "main") && !has("Enabled", "no") {
            sources.push(Source {
                uris: field("URIs"),
                suites: field("Suites"),
            });
        }
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_own_mirror_is_chosen_among_others() {
        let text = "\
# comment
Types: deb
URIs: https://other.invalid/debian
Suites: bookworm
Components: main

Types: deb
# snapshot
URIs: http://mirror.invalid/debian
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
URIs: http://source.invalid/debian
Suites: bookworm bookworm-updates
Components: main
";
        assert_eq!(
            choose(&stanzas(text), "bookworm").as_deref(),
            Some("http://mirror.invalid/debian")
        );
        assert_eq!(choose(&stanzas(text), "trixie"), None);
    }

    #[test]
    fn one_line_sources_are_read_with_their_options() {
        let text = "\
deb-src http://a.invalid/debian bookworm main
# deb http://b.invalid/debian bookworm main
deb [arch=amd64 signed-by=/x y] http://c.invalid/debian bookworm main # ours
deb http://d.invalid/debian bookworm contrib
";
        assert_eq!(
            choose(&lines(text), "bookworm").as_deref(),
            Some("http://c.invalid/debian")
        );
    }

    #[test]
    fn a_disabled_stanza_is_not_there() {
        let text = "Types: deb\nEnabled: no\nURIs: http://a.invalid\nSuites: bookworm\nComponents: main\n";
        assert!(stanzas(text).is_empty());
    }
}
