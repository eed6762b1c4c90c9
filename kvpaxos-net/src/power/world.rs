//! A file system in which a power failure leaves whatever the standard (POSIX, `fsync`) allows. Until a thing
//! is synced, a failure may leave it as it was at any moment since its last sync, independently of all other
//! things: each sector of a file, the length of a file, and each name in a directory. So writes are torn and
//! reordered, a name may exist before the content or the other way round, and a rename may be half done. Real
//! file systems leave fewer states, and not all the same ones (Pillai et al., *All File Systems Are Not
//! Created Equal*, OSDI 2014, table 1).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kvpaxos::wal::SECTOR;

use super::tape::Entry;

/// The files with their contents, and the directories, that exist after a power failure.
pub(super) type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// The versions of a thing since its last sync, oldest first.
#[derive(Clone, Debug)]
struct Versions<T>(Vec<T>);

/// A sector of a file.
#[derive(Clone, Debug)]
struct Sector {
    versions: Versions<[u8; SECTOR]>,
    /// Its sync failed, and it was not written since then: no sync makes it durable.
    is_skipped: bool,
}

impl Sector {
    fn durable(is: [u8; SECTOR]) -> Sector {
        Sector {
            versions: Versions::durable(is),
            is_skipped: false,
        }
    }

    fn sync(&mut self) {
        if !self.is_skipped {
            self.versions.sync();
        }
    }
}

impl<T: Clone + PartialEq> Versions<T> {
    fn durable(is: T) -> Versions<T> {
        Versions(vec![is])
    }

    fn now(&self) -> &T {
        &self.0[self.0.len() - 1]
    }

    fn becomes(&mut self, now: T) {
        if *self.now() != now {
            self.0.push(now);
        }
    }

    fn sync(&mut self) {
        self.0.drain(..self.0.len() - 1);
    }
}

#[derive(Clone, Debug)]
enum Inode {
    File {
        sectors: Vec<Sector>,
        length: Versions<usize>,
    },
    Directory(BTreeMap<String, Versions<Option<usize>>>),
}

/// A file system, with everything that a power failure may change.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// The first one is the root.
    nodes: Vec<Inode>,
    handles: BTreeMap<usize, usize>,
}

impl World {
    /// A file system in which all this is durable.
    pub(super) fn new(tree: &Tree) -> World {
        let mut world = World {
            nodes: vec![Inode::Directory(BTreeMap::new())],
            handles: BTreeMap::new(),
        };
        for (path, content) in tree {
            let node = world.add(match content {
                None => Inode::Directory(BTreeMap::new()),
                Some(bytes) => file(bytes),
            });
            world.name(path).0.push(Some(node));
            world.name(path).sync();
        }
        world
    }

    pub(super) fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Open { handle, path } => {
                let node = self.find(path).unwrap_or_else(|| {
                    let node = self.add(file(&[]));
                    self.name(path).becomes(Some(node));
                    node
                });
                self.handles.insert(*handle, node);
            }
            Entry::Write { handle, at, bytes } => {
                let (sectors, length) = self.file(*handle);
                let end = at + bytes.len();
                for (place, byte) in (*at..).zip(bytes) {
                    // A sector changes as a whole, so everything that one call writes to it is one version.
                    let index = place / SECTOR;
                    grow(sectors, index + 1);
                    sectors[index].is_skipped = false;
                    let versions = &mut sectors[index].versions;
                    if place == *at || place % SECTOR == 0 {
                        let now = *versions.now();
                        versions.0.push(now);
                    }
                    let last = versions.0.len() - 1;
                    versions.0[last][place % SECTOR] = *byte;
                }
                let end = end.max(*length.now());
                length.becomes(end);
            }
            Entry::Length { handle, length: new } => {
                let (sectors, length) = self.file(*handle);
                for (index, sector) in sectors.iter_mut().enumerate() {
                    let kept = new.saturating_sub(index * SECTOR).min(SECTOR);
                    let mut now = *sector.versions.now();
                    now[kept..].fill(0);
                    sector.versions.becomes(now);
                }
                length.becomes(*new);
            }
            Entry::Sync { handle, whole, .. } => self.sync(*handle, *whole),
            Entry::FailedSync { handle } => self.skip(*handle),
            Entry::Make { path } => {
                let node = self.add(Inode::Directory(BTreeMap::new()));
                self.name(path).becomes(Some(node));
            }
            Entry::Rename { from, to } => {
                let node = self.find(from);
                self.name(to).becomes(node);
                self.name(from).becomes(None);
            }
            Entry::Remove { path } => self.name(path).becomes(None),
            Entry::Note(_) => {}
        }
    }

    fn sync(&mut self, handle: usize, whole: bool) {
        match &mut self.nodes[self.handles[&handle]] {
            Inode::File { sectors, length } => {
                sectors.iter_mut().for_each(Sector::sync);
                // A sync of the data does not make a shorter length durable: that is not needed to read the
                // data.
                let now = *length.now();
                length
                    .0
                    .retain(|version| *version == now || (!whole && *version > now));
            }
            Inode::Directory(names) => {
                names.values_mut().for_each(Versions::sync);
                names.retain(|_, versions| versions.now().is_some());
            }
        }
    }

    fn skip(&mut self, handle: usize) {
        if let Inode::File { sectors, .. } = &mut self.nodes[self.handles[&handle]] {
            for sector in sectors {
                sector.is_skipped |= sector.versions.0.len() > 1;
            }
        }
    }

    fn add(&mut self, node: Inode) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn file(&mut self, handle: usize) -> (&mut Vec<Sector>, &mut Versions<usize>) {
        match &mut self.nodes[self.handles[&handle]] {
            Inode::File { sectors, length } => (sectors, length),
            Inode::Directory(_) => panic!("a directory is not written to"),
        }
    }

    /// What exists at a path now.
    fn find(&self, path: &Path) -> Option<usize> {
        path.iter().try_fold(0, |node, name| match &self.nodes[node] {
            Inode::Directory(names) => *names.get(name.to_str()?)?.now(),
            Inode::File { .. } => None,
        })
    }

    /// The versions of a name, which may name nothing.
    fn name(&mut self, path: &Path) -> &mut Versions<Option<usize>> {
        let parent = path.parent().and_then(|parent| self.find(parent));
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(Inode::Directory(names)), Some(name)) = (parent.map(|it| &mut self.nodes[it]), name) else {
            panic!("{} is in no directory", path.display());
        };
        let nobody = || Versions::durable(None);
        names.entry(name.to_owned()).or_insert_with(nobody)
    }

    /// How many versions each uncertain thing has.
    pub(super) fn uncertain(&self) -> Vec<usize> {
        let mut counts = Vec::new();
        self.choose(|versions| {
            counts.push(versions);
            0
        });
        counts
    }

    /// What a power failure leaves if it picks these versions of the uncertain things.
    pub(super) fn left(&self, versions: &[usize]) -> Tree {
        let mut versions = versions.iter().copied();
        self.choose(|_| versions.next().unwrap_or(0))
    }

    /// What exists while the system runs.
    pub(super) fn now(&self) -> Tree {
        self.choose(|versions| versions - 1)
    }

    fn choose(&self, mut version: impl FnMut(usize) -> usize) -> Tree {
        let mut pick = |versions: usize| if versions > 1 { version(versions) } else { 0 };
        let mut chosen = BTreeMap::new();
        for node in self.reachable() {
            match &self.nodes[node] {
                Inode::File { sectors, length } => {
                    let mut bytes = Vec::new();
                    for sector in sectors {
                        let versions = &sector.versions.0;
                        bytes.extend_from_slice(&versions[pick(versions.len())]);
                    }
                    bytes.resize(length.0[pick(length.0.len())], 0);
                    chosen.insert(node, Ok(bytes));
                }
                Inode::Directory(names) => {
                    let names = names.iter();
                    let named = names.filter_map(|(name, it)| Some((name, it.0[pick(it.0.len())]?)));
                    chosen.insert(node, Err(named.collect::<Vec<_>>()));
                }
            }
        }
        let mut tree = Tree::new();
        let mut open = vec![(PathBuf::new(), 0)];
        while let Some((path, node)) = open.pop() {
            match &chosen[&node] {
                Ok(bytes) => _ = tree.insert(path, Some(bytes.clone())),
                Err(names) => {
                    open.extend(names.iter().map(|(name, node)| (path.join(name), *node)));
                    tree.insert(path, None);
                }
            }
        }
        tree.remove(Path::new(""));
        tree
    }

    /// Everything that some version of a name leads to.
    fn reachable(&self) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open = vec![0];
        while let Some(node) = open.pop() {
            if reached.insert(node)
                && let Inode::Directory(names) = &self.nodes[node]
            {
                open.extend(names.values().flat_map(|versions| versions.0.iter().flatten()));
            }
        }
        reached
    }
}

fn file(bytes: &[u8]) -> Inode {
    let mut sectors = Vec::new();
    for part in bytes.chunks(SECTOR) {
        let mut sector = [0; SECTOR];
        sector[..part.len()].copy_from_slice(part);
        sectors.push(Sector::durable(sector));
    }
    let length = Versions::durable(bytes.len());
    Inode::File { sectors, length }
}

fn grow(sectors: &mut Vec<Sector>, count: usize) {
    if sectors.len() < count {
        sectors.resize(count, Sector::durable([0; SECTOR]));
    }
}
