//! A page as whoever reads it finds things in it.

use scraper::{ElementRef, Html, Selector};

use crate::support::{SECRET, TestApp};

/// A page of the operations listener.
pub struct Shown {
    /// As it was sent.
    pub text: String,
    html: Html,
}

impl Shown {
    /// The operators' page of a server, now.
    pub fn of(app: &TestApp) -> Self {
        let reply = app.ops().get_as_operator("/", SECRET);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let text = reply.text().to_owned();
        Self { html: Html::parse_document(&text), text }
    }

    /// A parser of browsers finds nothing wrong with it.
    pub fn is_well_formed(&self) {
        assert_eq!(self.html.errors, Vec::<std::borrow::Cow<'_, str>>::new());
    }

    fn select(&self, selector: &str) -> Vec<ElementRef<'_>> {
        self.html.select(&Selector::parse(selector).unwrap()).collect()
    }

    /// The names and texts of all elements that fit.
    pub fn all(&self, selector: &str) -> Vec<(String, String)> {
        self.select(selector).into_iter().map(|it| (it.value().name().to_owned(), words(it))).collect()
    }

    /// The values of these attributes of all elements that fit.
    pub fn attributes(&self, selector: &str, names: &[&str]) -> Vec<String> {
        let elements = self.select(selector).into_iter();
        elements.flat_map(|it| names.iter().filter_map(move |name| it.attr(name))).map(str::to_owned).collect()
    }

    /// What stands beside a word in a list of facts.
    #[track_caller]
    pub fn fact(&self, name: &str) -> String {
        let named = self.select("dt").into_iter().find(|it| words(*it) == name).expect(name);
        named.next_siblings().find_map(ElementRef::wrap).map(words).expect(name)
    }

    /// The rows of the table whose caption begins so; none where there is no such table.
    pub fn rows(&self, caption: &str) -> Vec<Vec<String>> {
        let tables = self.select("table").into_iter();
        let is_it = |table: &ElementRef<'_>| {
            let selector = Selector::parse("caption").unwrap();
            table.select(&selector).any(|it| words(it).starts_with(caption))
        };
        let (rows, cells) =
            (Selector::parse("tbody > tr").unwrap(), Selector::parse("th, td:not([aria-hidden])").unwrap());
        let table = tables.into_iter().find(is_it);
        let rows = table.iter().flat_map(|table| table.select(&rows));
        rows.map(|row| row.select(&cells).map(words).collect()).collect()
    }

    /// What it says has to be looked at, first.
    pub fn troubles(&self) -> Vec<String> {
        self.all(".trouble li").into_iter().map(|(_, text)| text).collect()
    }
}

/// The text of an element, as it is read.
fn words(element: ElementRef<'_>) -> String {
    element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}
