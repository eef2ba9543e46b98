//! The pages of policies: made of the set's resources, true to what is answered, readable by anybody, and safe.

mod links;
mod made;
mod readable;
mod served;
mod true_to_answers;

use covenant::pages::policies::{Found, Shelf, Site};
use covenant::policy::model::PolicySet;
use jiff::civil::Date;
use scraper::{ElementRef, Html, Selector};

use crate::laws_support::{MANNER, TODAY};

/// A page, read as a browser reads it.
pub struct Page {
    text: String,
    html: Html,
}

/// The pages of a set.
fn site(set: &PolicySet) -> Site<'_> {
    Site { set, manner: &MANNER, desk: true, today: TODAY }
}

impl Page {
    /// The version of a policy.
    fn of(set: &PolicySet, number: &str, version: &str) -> Self {
        match site(set).page(&Shelf::default(), number, Some(version), TODAY).unwrap() {
            Found::Page(text) => Self::read(text),
            Found::Nothing(text) => panic!("there is no such page: {text}"),
        }
    }

    /// The version of a policy that is in force on a day.
    fn on(set: &PolicySet, number: &str, day: Date) -> Self {
        match site(set).page(&Shelf::default(), number, None, day).unwrap() {
            Found::Page(text) => Self::read(text),
            Found::Nothing(text) => panic!("there is no such page: {text}"),
        }
    }

    /// All policies.
    fn list(set: &PolicySet) -> Self {
        Self::read(site(set).list().unwrap())
    }

    fn read(text: String) -> Self {
        let html = Html::parse_document(&text);
        assert_eq!(html.errors, Vec::<String>::new(), "{text}");
        Self { text, html }
    }

    /// Every element that a selector names, in their order.
    fn all(&self, selector: &str) -> Vec<ElementRef<'_>> {
        self.html.select(&Selector::parse(selector).unwrap()).collect()
    }

    /// The only element that a selector names.
    #[track_caller]
    fn one(&self, selector: &str) -> ElementRef<'_> {
        let [one] = self.all(selector)[..] else { panic!("{selector} names not one element in {}", self.text) };
        one
    }

    /// What it says, with single spaces.
    fn words(&self) -> String {
        words(self.html.root_element())
    }

    /// The element with an id, whatever characters the id has.
    fn at(&self, id: &str) -> Option<ElementRef<'_>> {
        self.all("[id]").into_iter().find(|element| element.attr("id") == Some(id))
    }
}

/// The elements that a selector names inside another.
fn inside<'a>(element: ElementRef<'a>, selector: &str) -> Vec<ElementRef<'a>> {
    element.select(&Selector::parse(selector).unwrap()).collect()
}

/// What an element says, with single spaces.
fn words(element: ElementRef<'_>) -> String {
    element.text().flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}
