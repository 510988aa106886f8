//! How much a layer may ask for before it is a bomb.

/// What is refused beyond. The defaults are far above what images have and below
/// what would fill a machine unnoticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the archive.
    pub entries: u64,
    /// Bytes of the uncompressed archive; and apparently of all its files, since a
    /// sparse file of exabytes takes a kilobyte of archive.
    pub bytes: u64,
    /// Bytes of a name, as of a hard link's target.
    pub name: usize,
    /// Bytes of what describes one entry: PAX records with their extended
    /// attributes, or GNU's long names.
    pub description: usize,
    /// Directories that lie in each other, symlinks resolved. Each takes a
    /// descriptor while it is unpacked, and whoever removes the tree needs as many.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 4_000_000,
            bytes: 256 << 30,
            // PATH_MAX: what is longer could not be opened by its name.
            name: 4096,
            // As Go's archive/tar, by which docker and containerd read.
            description: 1 << 20,
            depth: 200,
        }
    }
}
