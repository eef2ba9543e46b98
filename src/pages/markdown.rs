//! Markdown as HTML that can stand in a page, whoever wrote it.

use std::collections::HashSet;
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{Options, Parser, html};

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

/// Writes Markdown, with tables, as HTML without images, scripts, styles or any attribute but the address of a link.
#[must_use]
pub fn html(text: &str) -> String {
    let mut written = String::with_capacity(text.len() * 2);
    html::push_html(&mut written, Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH));
    SANITISER.clean(&written).to_string()
}

#[cfg(test)]
mod tests {
    use super::html;

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
}
