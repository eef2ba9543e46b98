//! Reads Rust as far as the layering needs it: the paths that a file names and its functions, without its tests.

/// A source file.
pub struct Source {
    /// Its path in the repository.
    pub path: String,
    /// Its module: `["policy", "load"]`.
    pub module: Vec<String>,
    /// Its text as it is, up to its tests.
    pub text: String,
    /// The same with comments and what stands in strings blanked, line by line as long.
    code: String,
}

/// A path that a file names: `std::fs::read`, with those inside braces each by itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub line: usize,
    pub segments: Vec<String>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let end = text.find("\n#[cfg(test)]\nmod tests").map_or(text.len(), |at| at + 1);
        let text = text[..end].to_owned();
        let module = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let module = module.split('/').filter(|name| !matches!(*name, "lib" | "main" | "mod"));
        Self { path: path.to_owned(), module: module.map(str::to_owned).collect(), code: blanked(&text), text }
    }

    /// Everything that the file names, `crate`, `self` and `super` made good; words by themselves too.
    pub fn names(&self) -> Vec<Named> {
        let mut found = Vec::new();
        let mut rest = tokens(&self.code).into_iter().peekable();
        while let Some((line, token)) = rest.next() {
            if token == "use" {
                let mut tree: Vec<&str> = Vec::new();
                while let Some((_, token)) = rest.next_if(|(_, token)| *token != ";") {
                    tree.push(token);
                }
                leaves(&tree, &[], &mut |segments| found.push(self.named(line, segments)));
            } else if is_word(token) {
                let mut segments = vec![token];
                while rest.next_if(|(_, token)| *token == "::").is_some() {
                    segments.extend(rest.next_if(|(_, token)| is_word(token)).map(|(_, token)| token));
                }
                found.push(self.named(line, &segments));
            }
        }
        found
    }

    fn named(&self, line: usize, segments: &[&str]) -> Named {
        let mut above = self.module.len();
        let mut rest = segments;
        let mut inside = false;
        while let Some((first @ ("crate" | "self" | "super"), after)) = rest.split_first().map(|(it, rest)| (*it, rest))
        {
            (inside, rest) = (true, after);
            above = match first {
                "crate" => 0,
                "super" => above.saturating_sub(1),
                _ => above,
            };
        }
        let start = if inside && rest.len() < segments.len() { &self.module[..above] } else { &[] };
        let root = inside.then(|| "crate".to_owned());
        let rest = rest.iter().map(|it| (*it).to_owned());
        Named { line, segments: root.into_iter().chain(start.iter().cloned()).chain(rest).collect() }
    }

    /// Each function with the line it begins on and how many lines it has.
    pub fn functions(&self) -> Vec<(String, usize, usize)> {
        let tokens = tokens(&self.code);
        let mut found = Vec::new();
        for (index, window) in tokens.windows(2).enumerate().filter(|(_, window)| window[0].1 == "fn") {
            let (start, name) = (window[0].0, window[1].1);
            let mut depth = 0;
            for (line, token) in &tokens[index..] {
                match *token {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    ";" if depth == 0 => break,
                    _ => continue,
                }
                if depth == 0 {
                    found.push((name.to_owned(), start, line - start + 1));
                    break;
                }
            }
        }
        found
    }

    /// The first line of code that holds a text.
    pub fn line_with(&self, text: &str) -> Option<usize> {
        self.code.lines().position(|line| line.contains(text)).map(|index| index + 1)
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Words, `::` and single marks, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(rest.len());
            let length = if rest.starts_with("::") { 2 } else { word.max(first.len_utf8()) };
            found.push((index + 1, &rest[..length]));
            rest = rest[length..].trim_start();
        }
    }
    found
}

/// Calls back with each path of a `use` tree.
fn leaves<'t>(tree: &[&'t str], before: &[&'t str], each: &mut impl FnMut(&[&'t str])) {
    let mut path = before.to_vec();
    let mut rest = tree;
    while let Some((first, after)) = rest.split_first() {
        match *first {
            "::" | "*" => {}
            "{" => {
                let (mut depth, mut start) = (0, 0);
                for (index, token) in after.iter().enumerate() {
                    match *token {
                        "{" => depth += 1,
                        "}" | "," if depth == 0 => {
                            let branch = &after[start..index];
                            if !branch.is_empty() {
                                leaves(branch, &path, each);
                            }
                            start = index + 1;
                        }
                        "}" => depth -= 1,
                        _ => {}
                    }
                }
                return;
            }
            // Another name for the same thing.
            "as" => break,
            word => path.push(word),
        }
        rest = after;
    }
    each(&path);
}

/// The text with spaces in place of comments and of what stands in strings and characters.
fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map(|after| after.len() - after.trim_start_matches('#').len());
        let raw = raw.filter(|marks| rest[1 + marks..].starts_with('"') && !out.ends_with(is_part_of_word));
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(marks) = raw {
            let end = format!("\"{}", "#".repeat(marks));
            rest[2 + marks..].find(&end).map_or(rest.len(), |at| 2 + marks + at + end.len())
        } else if first == '"' {
            closed(rest, '"')
        } else if first == '\'' && (rest[1..].starts_with('\\') || rest[1..].chars().nth(1) == Some('\'')) {
            closed(rest, '\'')
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        out.extend(rest[..length].chars().map(|it| if it == '\n' { '\n' } else { ' ' }));
        rest = &rest[length..];
    }
    out
}

fn is_part_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// How long a string or character is, with its marks.
fn closed(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == mark => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn the_names_of_a_file_are_found_wherever_they_stand() {
    let text = r#"//! use std::fs;
use super::{model::{A, B as C}, load};
use std::{io, net::TcpStream};
fn f<'a>() -> &'a str { crate::x::y("tokio::spawn", '"', r"std::env"); super::super::z() }
"#;
    let source = Source::new("src/policy/check/cases.rs", text);
    let names: Vec<String> =
        source.names().iter().map(|it| format!("{} {}", it.line, it.segments.join("::"))).collect();
    for expected in [
        "2 crate::policy::check::model::A",
        "2 crate::policy::check::model::B",
        "2 crate::policy::check::load",
        "3 std::io",
        "3 std::net::TcpStream",
        "4 crate::x::y",
        "4 crate::policy::z",
    ] {
        assert!(names.iter().any(|name| name == expected), "{expected} is not in {names:#?}");
    }
    assert!(!names.iter().any(|name| name.contains("tokio") || name.contains("env") || name.contains("fs")));
    assert_eq!(source.functions(), [("f".to_owned(), 4, 1)]);
}
