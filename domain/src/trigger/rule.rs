//! The format of a rule, as files and entries of the register `triggers` write it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use chrono::NaiveDate;
use jsonschema::Validator;
use proofs::slug::{EntryType, Slug};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::period::Period;
use crate::definition::{Group, LegalBasis, Title, body as schema};
use crate::fault::Fault;

/// Longest rule, in bytes of compact JSON: the largest fixture takes some 6 KiB, and a body of 256 KiB has room for it.
pub const BYTES_MAX: usize = 64 * 1024;
/// How many days ago a causing entry may have taken effect when the rule does not say.
pub const FRESH_DAYS: u32 = 365;

/// A proactive rule: when something happens, and a condition holds, something is proposed or provided to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub slug: Slug,
    /// What is proposed, in a line.
    pub title: Title,
    /// What is proposed, in a few sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Title>,
    /// The life situation that it belongs to.
    pub situation: Slug,
    /// The kind of proposal: what a person may switch off.
    pub kind: Group,
    /// The department that answers for it.
    pub department: Slug,
    /// What makes it look at somebody.
    pub cause: CauseRule,
    /// Whom it looks at.
    #[serde(rename = "for")]
    pub addressee: AddresseeRule,
    /// The registers of which it sees the person's records. Nothing else of an account is read (152-ФЗ, article 5).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<Slug>,
    /// The relatives that it sees, each with their records in [`Rule::reads`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub family: Vec<Kin>,
    /// How many days before it was recorded a causing entry may have taken effect: old facts that a migration brings in
    /// propose nothing.
    #[serde(default = "fresh_days")]
    pub fresh_days: u32,
    /// Values to compute, in order; each sees those before it. They are the evidence of an offer.
    #[serde(rename = "let", default, skip_serializing_if = "Vec::is_empty")]
    pub lets: Vec<LetRule>,
    /// The condition.
    #[serde(default = "always")]
    pub when: String,
    /// What happens then.
    pub effect: EffectRule,
    /// After so many days an offer is over; `None` when it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_days: Option<u32>,
    /// By which laws.
    pub legal_basis: Vec<LegalBasis>,
    /// When causes count.
    pub in_force: Term,
}

fn fresh_days() -> u32 {
    FRESH_DAYS
}

fn always() -> String {
    "true".to_owned()
}

/// What makes a rule look at somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum CauseRule {
    /// An entry of one of these types.
    Entry(EntryCause),
    /// A date that follows from a record's content.
    Date(DateCause),
}

impl CauseRule {
    /// The register that causes come from.
    pub fn register(&self) -> &Slug {
        match self {
            Self::Entry(cause) => &cause.register,
            Self::Date(cause) => &cause.register,
        }
    }
}

/// An entry of one of these types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryCause {
    /// In this register.
    pub register: Slug,
    /// Of one of these types.
    pub types: Vec<EntryType>,
}

/// A date that follows from a record's content: a birthday, some days before a licence ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DateCause {
    /// Records of this register.
    pub register: Slug,
    /// The member of the content that is the base date; dots lead into objects.
    pub member: String,
    /// So much after the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plus: Option<Period>,
    /// So much before the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minus: Option<Period>,
    /// Only records in these statuses; without it, those in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statuses: Option<Vec<String>>,
}

impl DateCause {
    /// From the base to the day that falls due.
    pub fn period(&self) -> Period {
        match (self.plus, self.minus) {
            (Some(plus), _) => plus,
            (None, Some(minus)) => minus.negated(),
            (None, None) => Period::ZERO,
        }
    }
}

/// Whom a rule looks at: `person` or `subject:<role>`, and from there perhaps a step to relatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddresseeRule {
    /// The role in the causing record; `None` is the person whose record in `persons` the cause is.
    pub role: Option<String>,
    /// From there to relatives.
    pub step: Option<Kin>,
}

impl fmt::Display for AddresseeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.role {
            Some(role) => write!(f, "subject:{role}")?,
            None => f.write_str("person")?,
        }
        self.step.map_or(Ok(()), |step| write!(f, "/{}", step.as_str()))
    }
}

impl Serialize for AddresseeRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AddresseeRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (who, step) = text.split_once('/').map_or((text.as_str(), None), |(who, step)| (who, Some(step)));
        let role = match (who, who.strip_prefix("subject:")) {
            ("person", _) => None,
            (_, Some(role)) if !role.is_empty() => Some(role.to_owned()),
            _ => return Err(D::Error::custom("is neither `person` nor `subject:<role>`")),
        };
        let step = match step {
            None => None,
            Some(step) => {
                let kin = Kin::ALL.into_iter().find(|kin| kin.as_str() == step);
                Some(kin.ok_or_else(|| D::Error::custom("is no step to relatives"))?)
            }
        };
        Ok(Self { role, step })
    }
}

/// Relatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kin {
    /// Children, by the register of births.
    Children,
    /// Husband or wife, by the register of marriages.
    Spouse,
    /// Mother and father.
    Parents,
    /// Mother, by the register of births.
    Mother,
    /// Father, by the register of births.
    Father,
}

impl Kin {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Children, Self::Spouse, Self::Parents, Self::Mother, Self::Father];

    /// The word, as rules write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Children => "children",
            Self::Spouse => "spouse",
            Self::Parents => "parents",
            Self::Mother => "mother",
            Self::Father => "father",
        }
    }
}

/// A value to compute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetRule {
    /// What it is called from then on.
    pub name: String,
    /// The expression.
    pub is: String,
}

/// What happens when the condition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum EffectRule {
    /// The person is told.
    Inform(Inform),
    /// One service is offered, prefilled.
    Offer(ServiceRule),
    /// Several services are offered on one application.
    Set(SetRule),
    /// An entry is made in the outcome register, without being asked.
    Provide(ProvideRule),
}

impl EffectRule {
    /// The word, as offers write it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Inform(_) => "inform",
            Self::Offer(_) => "offer",
            Self::Set(_) => "set",
            Self::Provide(_) => "provide",
        }
    }

    /// The services offered; none when the effect is another.
    pub fn services(&self) -> &[ServiceRule] {
        match self {
            Self::Offer(service) => std::slice::from_ref(service),
            Self::Set(set) => &set.services,
            Self::Inform(_) | Self::Provide(_) => &[],
        }
    }
}

/// Nothing but the rule's title and text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inform {}

/// A service, prefilled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRule {
    /// Its name.
    pub service: Slug,
    /// What it is called.
    pub title: Title,
    /// The department that provides it.
    pub department: Slug,
    /// What the application is prefilled with: expressions by name.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

/// Several services on one application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRule {
    /// What the set is called.
    pub title: Title,
    /// The services.
    pub services: Vec<ServiceRule>,
}

/// An entry in the outcome register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvideRule {
    /// The register, of the rule's department.
    pub register: Slug,
    /// The type of the entry, which opens a record.
    #[serde(rename = "type")]
    pub entry_type: EntryType,
    /// Its body: a string that begins with `=` is an expression, everything else stands as it is.
    pub body: Map<String, Value>,
}

/// From and to which day causes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// The first day.
    pub from: NaiveDate,
    /// The last day; `None` when it is open.
    #[serde(default)]
    pub until: Option<NaiveDate>,
}

impl Term {
    /// Is the day in it?
    pub fn contains(&self, day: NaiveDate) -> bool {
        self.from <= day && self.until.is_none_or(|until| day <= until)
    }
}

impl Rule {
    /// Reads a rule: its form, as the schema beside this file says it. Answers with every fault of form, sorted by place.
    pub fn from_json(json: &Value) -> Result<Self, Vec<Fault>> {
        static FORM: LazyLock<Option<Validator>> = LazyLock::new(|| {
            let text: Value = serde_json::from_str(include_str!("rule.schema.json")).ok()?;
            schema::build(&text).ok()
        });
        let bytes = json.to_string().len();
        if bytes > BYTES_MAX {
            let message = format!("a rule takes at most {BYTES_MAX} bytes, and this one {bytes}");
            return Err(vec![Fault::new("", message)]);
        }
        let Some(form) = FORM.as_ref() else {
            return Err(vec![Fault::new("", "the engine's own schema of rules does not compile")]);
        };
        let faults = schema::faults(form, json);
        if !faults.is_empty() {
            return Err(faults);
        }
        // The form is right, so that serde has nothing left to say but what the schema cannot.
        Self::deserialize(json).map_err(|_| vec![Fault::new("", "is not a rule")])
    }
}
