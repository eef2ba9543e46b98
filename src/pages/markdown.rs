//! Markdown as HTML that can stand in a page, whoever wrote it, and whatever it took to write it: the work is linear in the text.

use std::collections::HashSet;
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{Event, Options, Parser, html};

static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::default();
    let tags = [
        "p",
        "br",
        "em",
        "strong",
        "del",
        "code",
        "pre",
        "blockquote",
        "ul",
        "ol",
        "li",
        "a",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
    ];
    builder
        .tags(HashSet::from(tags))
        .generic_attributes(HashSet::new())
        .url_schemes(HashSet::from(["https", "http"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer"));
    builder
});

/// Bytes of the longest text: cards have a few thousand.
pub const LONGEST: usize = 64 * 1024;

/// Elements within each other, at most. Lists in quotes in lists have five or six.
const DEEPEST: usize = 32;

/// Why a text is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooCostly {
    /// It is longer than [`LONGEST`].
    #[error("the text is too long")]
    Long,
    /// It is nested too deep.
    #[error("the text is nested too deep")]
    Deep,
}

/// Writes our own Markdown, with tables, as HTML without images, scripts, styles or any attribute but the address of a link.
/// Of HTML in it the text remains, without its tags: what they leave open would be opened again in each paragraph that follows.
#[must_use]
pub fn html(text: &str) -> String {
    written(&mut Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH))
}

/// The same of Markdown that comes from anybody.
///
/// # Errors
/// [`TooCostly`]
pub fn html_of_anybody(text: &str) -> Result<String, TooCostly> {
    if text.len() > LONGEST {
        return Err(TooCostly::Long);
    }
    let mut depth = 0_usize;
    let mut events = Vec::new();
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match &event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(TooCostly::Deep);
        }
        events.push(event);
    }
    Ok(written(&mut events.into_iter()))
}

fn written<'t>(events: &mut dyn Iterator<Item = Event<'t>>) -> String {
    let events = events.map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(without_tags(&html).into()),
        event => event,
    });
    let mut written = String::new();
    html::push_html(&mut written, events);
    SANITISER.clean(&written).to_string()
}

/// The text of some HTML: what stands outside of its tags. A line break is a space.
fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = tag.split_once('>').unwrap_or((tag, ""));
        text.push_str(if tag.starts_with("br") { " " } else { "" });
        rest = after;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LONGEST, TooCostly, html, html_of_anybody};

    #[test]
    fn what_is_written_in_markdown_is_written_in_html() {
        let text =
            "**Evidence.** See [633](https://payer.example/633).\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |";
        let page = html(text);
        for part in [
            "<strong>Evidence.</strong>",
            "<a href=\"https://payer.example/633\" rel=\"noopener noreferrer\">633</a>",
            "<li>two</li>",
            "<td>2</td>",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
    }

    #[test]
    fn r01_markdown_of_whoever_brings_nothing_that_runs_or_loads() {
        for hostile in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "![x](https://elsewhere.example/pixel.png)",
            "[x](javascript:alert(1))",
            "[x](data:text/html,x)",
            "<a href=\"vbscript:x\">x</a>",
            "<p style=\"position:fixed\" onclick=\"x()\" id=\"sign\" class=\"chip\">x</p>",
            "<iframe src=\"https://elsewhere.example\"></iframe>",
            "<svg><a xlink:href=\"javascript:x\">x</a></svg>",
            "<form action=\"https://elsewhere.example\"><input name=a></form>",
            "[x](//elsewhere.example)",
        ] {
            let page = html(hostile);
            for never in [
                "<script",
                "<img",
                "javascript:",
                "data:",
                "vbscript:",
                "style=",
                "onclick",
                "onerror",
                "id=",
                "class=",
                "<iframe",
                "<svg",
                "<form",
                "<input",
                "href=\"//",
            ] {
                assert!(!page.to_lowercase().contains(never), "{hostile} became {page}");
            }
        }
    }

    #[test]
    fn of_html_in_markdown_the_text_remains() {
        let page = html("<div>\nno <b>more</b> than this\n</div>\n\none<br/>two <i>three</i> & 1 < 2");
        assert!(page.contains("no more than this") && page.contains("one two three &amp; 1 &lt; 2"), "{page}");
    }

    #[test]
    fn b05_the_dearest_markdown_is_linear_or_refused() {
        assert_eq!(html_of_anybody(&"x".repeat(LONGEST + 1)), Err(TooCostly::Long));
        assert_eq!(html_of_anybody(&"> ".repeat(1000)), Err(TooCostly::Deep));
        let dear = [
            "<b><i><u>\n\n",
            "<a href=x>\n\n",
            "[",
            "![",
            "[x](",
            "*a ",
            "**a*b",
            "_a_*",
            "`",
            "``x`",
            "<",
            "<!--",
            "&",
            "> - ",
            "- \n",
            "|",
            "|a|\n|-|\n",
            "~~a",
            "[a]: b\n",
            "\\",
            "1. ",
            "# ",
            "<?",
            "<x y='",
            "]]>",
            "~~~\n",
            "\n\t",
            "*~_`[",
        ];
        let began = Instant::now();
        for piece in dear {
            // Refused or written, it is over soon.
            _ = html_of_anybody(&piece.repeat(LONGEST / piece.len()));
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    }
}
