#include "latency_predictor/lookup_table.hpp"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"

namespace paretoformer {
namespace {

constexpr const char* kFormat = "paretoformer_lookup_table";
constexpr int kVersion = 1;
constexpr const char* kUnits = "cycles femtojoules";
constexpr std::string_view kChecksum = "checksum ";

std::string header(const std::string& model, std::uint64_t hardware, std::size_t entries) {
  std::ostringstream text;
  text << kFormat << ' ' << kVersion << "\nmodel " << model << "\nhardware " << hex(hardware)
       << "\nunits " << kUnits << "\nentries " << entries << '\n';
  return text.str();
}

// Walks the lines of a file, failing with its name and the line.
class Lines {
 public:
  Lines(std::string text, std::string file) : text_(std::move(text)), file_(std::move(file)) {}

  [[noreturn]] void fail(const std::string& message) const {
    throw InputError(file_ + ":" + std::to_string(number_) + ": " + message);
  }
  std::string next() {
    ++number_;
    std::string line;
    if (!std::getline(text_, line)) fail("the file ends too early");
    return line;
  }
  // The rest of a line that begins with `key` and a blank.
  std::string value(const std::string& key) {
    const std::string line = next();
    if (line.rfind(key + " ", 0) != 0)
      fail("\"" + line + "\" is not expected here: expected \"" + key + " ...\"");
    return line.substr(key.size() + 1);
  }
  void expect(const std::string& key, const std::string& expected) {
    const std::string found = value(key);
    if (found != expected) fail(key + " is " + found + ": expected " + expected);
  }

 private:
  std::istringstream text_;
  std::string file_;
  int number_ = 0;
};

// "OPERATOR : CYCLES FEMTOJOULES".
std::pair<Operator, HardwareCost> parse_entry(const std::string& line, const Lines& lines) {
  const std::size_t colon = line.find(" : ");
  if (colon == std::string::npos) lines.fail("\"" + line + "\" is no entry");
  std::istringstream numbers(line.substr(colon + 3));
  std::int64_t cycles = 0, femtojoules = 0;
  if (!(numbers >> cycles >> femtojoules) || cycles < 0 || femtojoules < 0)
    lines.fail("\"" + line + "\" has no cost");
  try {
    return {operator_from_text(line.substr(0, colon)),
            {Cycles(cycles), Picojoules::from_femtojoules(femtojoules)}};
  } catch (const InputError& error) {
    lines.fail(error.what());
  }
}

}  // namespace

LookupTable::LookupTable(std::uint64_t hardware_hash, std::string model, OperatorPricer pricer)
    : hardware_hash_(hardware_hash), model_(std::move(model)), pricer_(std::move(pricer)) {}

HardwareCost LookupTable::cost(const Operator& op) const {
  if (const auto entry = entries_.find(op); entry != entries_.end()) return entry->second;
  if (!pricer_)
    throw Error("the look-up table for hardware " + hex(hardware_hash_) + " has no entry for \"" +
                describe(op) + "\" and no model to compute one");
  return entries_.emplace(op, pricer_(op)).first->second;
}

void LookupTable::write(const std::filesystem::path& path) const {
  std::vector<std::string> lines;
  for (const auto& [op, cost] : entries_)
    lines.push_back(describe(op) + " : " + std::to_string(cost.latency.value()) + " " +
                    std::to_string(cost.energy.femtojoules()) + "\n");
  std::sort(lines.begin(), lines.end());
  std::string text = header(model_, hardware_hash_, lines.size());
  for (const std::string& line : lines) text += line;
  text += std::string(kChecksum) + hex(hash_text(text)) + "\n";
  write_file_atomic(path, text);
}

void LookupTable::read(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  Lines lines(text, path.string());
  // What the file is comes first, so that the wrong file is called that, not a damaged one.
  lines.expect(kFormat, std::to_string(kVersion));
  lines.expect("model", model_);
  lines.expect("hardware", hex(hardware_hash_));
  lines.expect("units", kUnits);

  const std::size_t last = text.rfind(kChecksum);
  if (last == std::string::npos ||
      text.substr(last) != std::string(kChecksum) + hex(hash_text(text.substr(0, last))) + "\n")
    throw InputError(path.string() + ": the checksum does not match: the file was cut or edited");

  std::size_t count = 0;
  if (!(std::istringstream(lines.value("entries")) >> count)) lines.fail("expected a number");
  std::vector<std::pair<Operator, HardwareCost>> entries;
  for (std::size_t i = 0; i < count; ++i) entries.push_back(parse_entry(lines.next(), lines));
  if (lines.next().rfind(kChecksum, 0) != 0) lines.fail("expected the checksum");
  for (const auto& entry : entries) entries_.insert(entry);
}

}  // namespace paretoformer
