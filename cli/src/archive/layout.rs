//! Which files an archive has, in which order: it follows from the sizes in its checkpoints.

use std::fmt;

use domain::platform::{DEPARTMENTS, REGISTERS};
use proofs::checkpoint::Checkpoint;
use proofs::note::SignedNote;
use proofs::slug::Slug;
use proofs::tile::{TileLevel, TilePath, bundle_paths, paths};

/// One of the logs in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The copy of `departments`.
    Departments,
    /// The copy of `registers`.
    Registers,
    /// The archived register itself.
    Own,
}

/// All of them, in the order in which their tiles stand.
pub const PARTS: [Part; 3] = [Part::Departments, Part::Registers, Part::Own];

impl Part {
    /// What the names of its files begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Departments => "departments/",
            Self::Registers => "registers/",
            Self::Own => "",
        }
    }

    /// Whether an archive of this register has it: there is one copy of each log.
    pub fn is_in(self, register: &Slug) -> bool {
        match self {
            Self::Departments => *register != *DEPARTMENTS,
            Self::Registers => *register != *REGISTERS,
            Self::Own => true,
        }
    }
}

/// A file in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// The signed checkpoint of a log.
    Checkpoint(Part),
    /// The definition of the register, for people.
    Definition,
    /// A tile or entry bundle of a log.
    Tile(Part, TilePath),
    /// The bodies of a log, a line each.
    Bodies(Part),
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint(part) => write!(f, "{}checkpoint", part.prefix()),
            Self::Definition => f.write_str("definition.json"),
            Self::Tile(part, path) => write!(f, "{}{path}", part.prefix()),
            Self::Bodies(part) => write!(f, "{}bodies.ndjson", part.prefix()),
        }
    }
}

/// The checkpoints of an archive, with what they say of themselves. Nothing here is verified.
#[derive(Debug, Clone)]
pub struct Heads {
    /// The archived register.
    pub register: Slug,
    /// The name of the installation's log.
    pub log_name: String,
    notes: [Option<Head>; 3],
}

/// One checkpoint.
#[derive(Debug, Clone)]
pub struct Head {
    /// The signed note.
    pub note: String,
    /// What it says.
    pub checkpoint: Checkpoint,
}

impl Head {
    /// Reads a note without looking at its signatures.
    pub fn read(note: String) -> Result<Self, String> {
        let signed = SignedNote::parse(&note).map_err(|error| error.to_string())?;
        let checkpoint = Checkpoint::parse(signed.text()).map_err(|error| error.to_string())?;
        Ok(Self { note, checkpoint })
    }
}

impl Heads {
    /// An archive whose own checkpoint this is; the others are still to come.
    pub fn begin(own: Head) -> Result<Self, String> {
        let origin = own.checkpoint.origin.rsplit_once("/registers/");
        let (log_name, slug) = origin.ok_or("its origin names no register")?;
        let register = slug.parse().map_err(|_| "its origin names no register")?;
        Ok(Self { register, log_name: log_name.to_owned(), notes: [None, None, Some(own)] })
    }

    /// The checkpoints that stand after the first one, in order.
    pub fn others(&self) -> impl Iterator<Item = Part> + use<> {
        let register = self.register.clone();
        [Part::Departments, Part::Registers].into_iter().filter(move |part| part.is_in(&register))
    }

    /// Takes the checkpoint of another log of the same installation.
    pub fn add(&mut self, part: Part, head: Head) -> Result<(), String> {
        let expected = format!("{}/registers/{}", self.log_name, self.slug(part));
        if head.checkpoint.origin != expected {
            return Err(format!("it is not the checkpoint of {}", self.slug(part)));
        }
        self.notes[part as usize] = Some(head);
        Ok(())
    }

    /// The register of a part.
    pub fn slug(&self, part: Part) -> &str {
        match part {
            Part::Departments => DEPARTMENTS,
            Part::Registers => REGISTERS,
            Part::Own => self.register.as_str(),
        }
    }

    /// The part that is a register, if it is in the archive.
    pub fn part(&self, register: &Slug) -> Option<Part> {
        // The register itself first: an archive of `departments` has no other copy of it.
        [Part::Own, Part::Departments, Part::Registers]
            .into_iter()
            .find(|part| self.slug(*part) == register.as_str())
    }

    /// The logs that are in it.
    pub fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        PARTS.into_iter().filter(|part| self.get(*part).is_some())
    }

    /// A checkpoint.
    pub fn get(&self, part: Part) -> Option<&Head> {
        self.notes[part as usize].as_ref()
    }

    /// The entries of a log; none of one that is not in it.
    pub fn size(&self, part: Part) -> u64 {
        self.get(part).map_or(0, |head| head.checkpoint.size)
    }

    /// Everything that stands after the checkpoints, in order. A size that somebody only claims costs nothing.
    pub fn members(&self) -> impl Iterator<Item = Member> + '_ {
        let logs = self.parts().flat_map(|part| {
            let size = self.size(part);
            let hashes = paths(size).take_while(|path| matches!(path.level, TileLevel::Hash(_)));
            let tiles = bundle_paths(size).chain(hashes).map(move |path| Member::Tile(part, path));
            tiles.chain([Member::Bodies(part)])
        });
        [Member::Definition].into_iter().chain(logs)
    }
}

#[cfg(test)]
mod tests {
    use proofs::hash::EMPTY_ROOT;
    use proofs::key::PrivateKey;
    use proofs::note::NoteSigner;

    use super::*;

    fn head(slug: &str, size: u64) -> Head {
        let origin = format!("log.example/registers/{slug}");
        let signer = NoteSigner::new(&origin, PrivateKey::from_seed(&[1; 32])).unwrap();
        let checkpoint = Checkpoint { origin, size, root: EMPTY_ROOT, extensions: vec![] };
        Head::read(checkpoint.sign(&signer).unwrap()).unwrap()
    }

    fn names(heads: &Heads) -> Vec<String> {
        heads.members().map(|member| member.to_string()).collect()
    }

    #[test]
    fn the_order_follows_from_the_sizes() {
        let mut heads = Heads::begin(head("permits", 257)).unwrap();
        assert_eq!(heads.others().collect::<Vec<_>>(), [Part::Departments, Part::Registers]);
        heads.add(Part::Departments, head("departments", 1)).unwrap();
        heads.add(Part::Registers, head("registers", 0)).unwrap();
        let expected = [
            "definition.json",
            "departments/tile/entries/000.p/1",
            "departments/tile/0/000.p/1",
            "departments/bodies.ndjson",
            "registers/bodies.ndjson",
            "tile/entries/000",
            "tile/entries/001.p/1",
            "tile/0/000",
            "tile/0/001.p/1",
            "tile/1/000.p/1",
            "bodies.ndjson",
        ];
        assert_eq!(names(&heads), expected);
    }

    #[test]
    fn each_log_is_there_once() {
        let mut heads = Heads::begin(head("departments", 1)).unwrap();
        assert_eq!(heads.others().collect::<Vec<_>>(), [Part::Registers]);
        heads.add(Part::Registers, head("registers", 0)).unwrap();
        let expected = [
            "definition.json",
            "registers/bodies.ndjson",
            "tile/entries/000.p/1",
            "tile/0/000.p/1",
            "bodies.ndjson",
        ];
        assert_eq!(names(&heads), expected);
        assert_eq!(heads.part(&"departments".parse().unwrap()), Some(Part::Own));
        let foreign = heads.add(Part::Registers, head("permits", 0)).unwrap_err();
        assert_eq!(foreign, "it is not the checkpoint of registers");
        assert!(
            Heads::begin(Head::read(head("permits", 0).note.replace("/registers/", "/")).unwrap()).is_err()
        );
    }
}
