// Files that are either whole or absent. Every error names the path and the system's reason.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace paretoformer {

// What is not a regular file (a pipe, a device) may have no end: it may be this long.
constexpr std::size_t kLongestPipe = std::size_t{1} << 30;

// Everything to the end, of a pipe too. Throws InputError when it cannot be opened, is a folder or
// a pipe of more than kLongestPipe bytes; Error when reading fails, as on a bad disk.
std::string read_file(const std::filesystem::path& path);
// The same, of a text: without a byte order mark (U+FEFF) at its start.
std::string read_text_file(const std::filesystem::path& path);
// The same, of a descriptor that is open, from where it stands; `path` is for errors.
std::string read_all(int descriptor, const std::filesystem::path& path);

// Writes all or throws Error.
void write_all(int descriptor, std::string_view content, const std::filesystem::path& path);

// Writes to a temporary name in the same folder, flushes it to disk and renames it over `path`:
// after a crash or a full disk the old content is still there. An existing file keeps its owner and
// permissions; of a link, the file it leads to is replaced; a pipe or a device, such as
// /dev/stdout, is written to as it is. Throws InputError when `path` is a folder or a disk, else
// Error.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);
// The same, with the content in several pieces written one after the other.
void write_file_atomic(const std::filesystem::path& path,
                       const std::vector<std::string_view>& pieces);

// Creates the folder and those above it; whether it was not there before. Throws Error.
bool create_folder(const std::filesystem::path& folder);

// Removes from `folder` what write_file_atomic() left there when its process was killed, but not
// what another process is writing. Errors are passed over.
void remove_unfinished_files(const std::filesystem::path& folder);

// Opens or creates a regular file for reading and appending; a new one survives a power cut.
// Throws InputError when `path` is something else, Error when it cannot be opened.
int open_to_append(const std::filesystem::path& path);

// Opens those of the descriptors 0 to 2 that are closed, so that no file of ours becomes the
// standard output. What is read from them or written to them fails, as if they were closed.
void occupy_standard_descriptors();

}  // namespace paretoformer
