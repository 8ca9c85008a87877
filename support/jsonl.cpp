#include "support/jsonl.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/log.hpp"

namespace paretoformer {
namespace {

constexpr const char* kKey = "check";

std::string check_of(std::string_view before, std::string_view line) {
  return hex(hash_text(line, hash_text(before)));
}

// How a line ends that carries that check.
std::string ending(const std::string& check) {
  return ",\"" + std::string(kKey) + "\":\"" + check + "\"}";
}

// The check of the last of whole lines; "" when it has none.
std::string last_check(std::string_view lines) {
  if (lines.empty()) return "";
  lines.remove_suffix(1);
  const Json last = Json::parse(lines.substr(lines.rfind('\n') + 1), nullptr, false);
  const bool has_check = last.is_object() && last.contains(kKey) && last[kKey].is_string();
  return has_check ? last[kKey].get<std::string>() : "";
}

// `check` is that of the line before, and then of this one.
bool read_line(std::string_view line, const std::string& where, std::string& check,
               const std::function<bool(const JsonNode&)>& use) {
  Json json = parse_json(line, where);
  const bool has_check = json.is_object() && json.contains(kKey);
  const Json found = has_check ? json[kKey] : Json();
  if (has_check) json.erase(kKey);
  const bool go_on = use(JsonNode(json, where));
  if (!has_check && check.empty()) return go_on;
  const std::string end = found.is_string() ? ending(found.get<std::string>()) : "";
  const bool is_last = !end.empty() && line.ends_with(end);
  if (!is_last ||
      found != check_of(check, std::string(line.substr(0, line.size() - end.size())) + "}"))
    throw InputError(where + ": was changed after it was written, or the lines before it were: " +
                     "its \"" + kKey + "\" does not fit; restore the file as it was");
  check = found.get<std::string>();
  return go_on;
}

// Where the first line begins that `use` refuses, or that is not whole.
std::size_t read_lines(std::string_view text, const std::filesystem::path& path,
                       const std::function<bool(const JsonNode&)>& use) {
  std::string check;
  std::size_t begin = 0;
  int number = 0;
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
    if (!read_line(text.substr(begin, end - begin), path.string() + ":" + std::to_string(++number),
                   check, use))
      break;
  return begin;
}

void warn_of_cut(const std::filesystem::path& path) {
  log_warning(path.string() + ": the last line was cut short, and is dropped");
}

}  // namespace

JsonlWriter::JsonlWriter(const std::filesystem::path& path)
    : path_(path), descriptor_(open_to_append(path)) {
  try {
    std::string text = read_all(descriptor_, path);
    const std::size_t whole = text.rfind('\n') + 1;
    if (whole < text.size()) {
      if (::ftruncate(descriptor_, static_cast<off_t>(whole)) != 0)
        throw Error(path.string() +
                    ": cannot drop an unfinished last line: " + std::strerror(errno));
      warn_of_cut(path);
      text.resize(whole);
    }
    check_ = last_check(text);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

JsonlWriter::~JsonlWriter() { ::close(descriptor_); }

void JsonlWriter::write(const Json& json) {
  const std::string text = json.dump();
  check_ = check_of(check_, text);
  write_all(descriptor_, text.substr(0, text.size() - 1) + ending(check_) + "\n", path_);
}

void JsonlWriter::flush() {
  while (::fdatasync(descriptor_) != 0)
    if (errno != EINTR) throw Error(path_.string() + ": cannot flush: " + std::strerror(errno));
}

void read_jsonl(const std::filesystem::path& path,
                const std::function<void(const JsonNode&)>& use) {
  if (!std::filesystem::exists(path)) return;
  read_lines(read_file(path), path, [&](const JsonNode& node) {
    use(node);
    return true;
  });
}

void cut_jsonl(const std::filesystem::path& path,
               const std::function<bool(const JsonNode&)>& keep) {
  if (!std::filesystem::exists(path)) return;
  const std::string text = read_file(path);
  if (!text.empty() && text.back() != '\n') warn_of_cut(path);
  const std::size_t kept = read_lines(text, path, keep);
  if (kept < text.size()) write_file_atomic(path, std::string_view(text).substr(0, kept));
}

}  // namespace paretoformer
