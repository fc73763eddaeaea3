//! The kernel's two text forms of a set of CPUs: the list (`0-3,8`) and the mask (`1,0000000f`).
//!
//! The grammars are those of `bitmap_parselist()` and `bitmap_parse()`, Documentation/admin-guide/kernel-parameters.rst
//! and lib/bitmap-str.c.

use core::fmt;
use core::str::FromStr;

use super::{CpuSet, MAX_CPUS};

/// Why a list of CPUs was refused. Positions count bytes from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListError {
    /// No CPU number, where one belongs.
    NoNumber {
        /// Where.
        position: usize,
    },
    /// A range in groups with no `/` and size of a group.
    NoGroup {
        /// Where it belongs.
        position: usize,
    },
    /// Something other than a comma after a CPU, a range or a group.
    NoComma {
        /// Where it belongs.
        position: usize,
    },
    /// A number that no CPU has.
    TooLarge {
        /// Where it starts.
        position: usize,
        /// The number, or `u32::MAX` if it is larger still.
        number: u32,
    },
    /// A range that ends before it starts.
    Reversed {
        /// Where it starts.
        position: usize,
        /// Its first CPU.
        first: u32,
        /// Its last.
        last: u32,
    },
    /// A group of no CPU, or smaller than what is used of it.
    BadGroup {
        /// Where `used/group` starts.
        position: usize,
        /// How many CPUs of each group.
        used: u32,
        /// How many CPUs a group has.
        group: u32,
    },
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NoNumber { position }
        | Self::NoGroup { position }
        | Self::NoComma { position }
        | Self::TooLarge { position, .. }
        | Self::Reversed { position, .. }
        | Self::BadGroup { position, .. }) = *self;
        write!(f, "CPU list, character {}: ", position + 1)?;
        match *self {
            Self::NoNumber { .. } => write!(f, "write a CPU number here, as in 0-3,8"),
            Self::NoGroup { .. } => write!(f, "write / and the size of a group here, as in 0-15:1/2"),
            Self::NoComma { .. } => write!(f, "write a comma here, as in 0-3,8"),
            Self::TooLarge { number, .. } => write!(f, "{number} is too large: CPUs are 0 to {}", MAX_CPUS - 1),
            Self::Reversed { first, last, .. } => write!(f, "{first}-{last} runs backwards: write {last}-{first}"),
            Self::BadGroup { used, group, .. } => {
                write!(
                    f,
                    "{used} of each {group} CPUs: write at least 1 after the /, and no more before it"
                )
            }
        }
    }
}

impl core::error::Error for ListError {}

/// Why a mask of CPUs was refused. Positions count bytes from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskError {
    /// Something other than a hexadecimal digit or a comma.
    NoDigit {
        /// Where.
        position: usize,
    },
    /// More than eight digits without a comma.
    NoComma {
        /// Where one belongs: after this digit.
        position: usize,
    },
    /// A CPU with a number that no CPU has.
    TooLarge {
        /// The digit with the CPU.
        position: usize,
        /// Its number.
        cpu: u32,
    },
}

impl fmt::Display for MaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NoDigit { position } | Self::NoComma { position } | Self::TooLarge { position, .. }) = *self;
        write!(f, "CPU mask, character {}: ", position + 1)?;
        match *self {
            Self::NoDigit { .. } => write!(f, "write hexadecimal digits only, as in 1,0000000f"),
            Self::NoComma { .. } => write!(
                f,
                "write a comma after it, before the last eight digits, as in 1,0000000f"
            ),
            Self::TooLarge { cpu, .. } => write!(f, "CPU {cpu} is too large: CPUs are 0 to {}", MAX_CPUS - 1),
        }
    }
}

impl core::error::Error for MaskError {}

impl CpuSet {
    /// Reads a list of CPUs as the kernel does: `0-3,8,10-20:2/5`, the last of which is two of each five CPUs from 10
    /// to 20.
    ///
    /// Commas and white space separate and may be doubled, `all` is 0 to 1023 and `N` is 1023: intersect with the
    /// CPUs of the machine. An empty text is the empty set. The end of a line is white space, where the kernel would
    /// stop.
    pub fn parse_list(text: &str) -> Result<Self, ListError> {
        let mut set = Self::empty();
        let mut reader = Reader {
            bytes: text.as_bytes(),
            position: 0,
        };
        while reader.skip_separators() {
            let start = reader.position;
            let (first, last) = if reader.take_all() {
                (0, MAX_CPUS - 1)
            } else {
                let first = reader.cpu()?;
                (first, if reader.take(b'-') { reader.cpu()? } else { first })
            };
            if last < first {
                return Err(ListError::Reversed {
                    position: start,
                    first,
                    last,
                });
            }
            if reader.take(b':') {
                let (used, group) = reader.group()?;
                for start in (first..=last).step_by(group as usize) {
                    set.insert_range(start..(start + used).min(last + 1));
                }
            } else {
                set.insert_range(first..last + 1);
            }
            reader.end_of_region()?;
        }
        Ok(set)
    }

    /// Reads a mask of CPUs as the kernel does: hexadecimal words of 32 CPUs, the highest first, with commas between.
    ///
    /// White space separates too, a shorter word has zeros in front, empty words do not count. An empty text is the
    /// empty set. Words of zeros above CPU 1023 are allowed.
    pub fn parse_mask(text: &str) -> Result<Self, MaskError> {
        let mut words = [0; super::WORDS];
        let mut lowest = 0u32; // the number of the word's lowest CPU
        let mut digits = 0u32; // seen in the word
        for (position, byte) in text.bytes().enumerate().rev() {
            if is_separator(byte) {
                if digits > 0 {
                    lowest = lowest.saturating_add(32);
                }
                digits = 0;
                continue;
            }
            let digit = char::from(byte).to_digit(16).ok_or(MaskError::NoDigit { position })?;
            if digits == 8 {
                return Err(MaskError::NoComma { position });
            }
            let cpu = lowest.saturating_add(digits * 4);
            digits += 1;
            match words.get_mut(cpu as usize / 64) {
                Some(word) => *word |= u64::from(digit) << (cpu % 64),
                None if digit == 0 => {}
                None => {
                    let cpu = cpu.saturating_add(digit.ilog2());
                    return Err(MaskError::TooLarge { position, cpu });
                }
            }
        }
        Ok(Self::from_words(words))
    }

    /// The set as the kernel prints masks, from the highest CPU on: `1,0000000f`; `0` if empty.
    pub fn mask(&self) -> Mask<'_> {
        Mask { set: self }
    }
}

impl FromStr for CpuSet {
    type Err = ListError;
    /// [`CpuSet::parse_list`].
    fn from_str(text: &str) -> Result<Self, ListError> {
        Self::parse_list(text)
    }
}

impl fmt::Display for CpuSet {
    /// The set as the kernel prints lists: `0-3,8`; nothing if empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for run in self.runs() {
            match run.end - run.start {
                1 => write!(f, "{comma}{}", run.start)?,
                _ => write!(f, "{comma}{}-{}", run.start, run.end - 1)?,
            }
            comma = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuSet({self})")
    }
}

/// A set that is displayed as a mask. From [`CpuSet::mask`].
#[derive(Clone, Copy, Debug)]
pub struct Mask<'s> {
    set: &'s CpuSet,
}

impl fmt::Display for Mask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let highest = self.set.last().unwrap_or(0) / 32;
        let word = |index: u32| (self.set.words()[index as usize / 2] >> (index % 2 * 32)) as u32;
        write!(f, "{:x}", word(highest))?;
        (0..highest)
            .rev()
            .try_for_each(|index| write!(f, ",{:08x}", word(index)))
    }
}

fn is_separator(byte: u8) -> bool {
    // Vertical tab: white space to the kernel's isspace(), not to Rust's.
    byte == b',' || byte.is_ascii_whitespace() || byte == b'\x0b'
}

/// A list, read from the left.
struct Reader<'t> {
    bytes: &'t [u8],
    position: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    /// Goes to the next region. Whether there is one.
    fn skip_separators(&mut self) -> bool {
        while let Some(byte) = self.peek() {
            if !is_separator(byte) {
                return true;
            }
            self.position += 1;
        }
        false
    }

    /// Passes `byte` if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.position += usize::from(next);
        next
    }

    /// Passes `all`, in any case, if it is next.
    fn take_all(&mut self) -> bool {
        let rest = &self.bytes[self.position..];
        let all = rest.len() >= 3 && rest[..3].eq_ignore_ascii_case(b"all");
        self.position += if all { 3 } else { 0 };
        all
    }

    /// A number that may be any CPU's.
    fn cpu(&mut self) -> Result<u32, ListError> {
        let position = self.position;
        let number = self.number()?;
        if number >= MAX_CPUS {
            return Err(ListError::TooLarge { position, number });
        }
        Ok(number)
    }

    /// The `used/group` after a colon.
    fn group(&mut self) -> Result<(u32, u32), ListError> {
        let position = self.position;
        let used = self.number()?;
        if !self.take(b'/') {
            return Err(ListError::NoGroup {
                position: self.position,
            });
        }
        let group = self.number()?;
        if group == 0 || used > group {
            return Err(ListError::BadGroup { position, used, group });
        }
        // No range is longer: what is above changes nothing, and cannot overflow.
        Ok((used.min(MAX_CPUS), group.min(MAX_CPUS)))
    }

    /// Decimal digits, or `N` for the last CPU.
    fn number(&mut self) -> Result<u32, ListError> {
        if self.take(b'N') {
            return Ok(MAX_CPUS - 1);
        }
        let start = self.position;
        let mut number = 0u32;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
            self.position += 1;
        }
        if self.position == start {
            return Err(ListError::NoNumber { position: start });
        }
        Ok(number)
    }

    fn end_of_region(&self) -> Result<(), ListError> {
        match self.peek() {
            Some(byte) if !is_separator(byte) => Err(ListError::NoComma {
                position: self.position,
            }),
            _ => Ok(()),
        }
    }
}
