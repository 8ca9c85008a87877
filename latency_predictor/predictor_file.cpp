// The text file of a LatencyPredictor.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>
#include <utility>

#include "accel_sim/workload/words.hpp"
#include "latency_predictor/latency_predictor.hpp"
#include "support/checksum.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/text.hpp"

namespace paretoformer::latency_predictor {
namespace {

constexpr const char* kFormat = "paretoformer_latency_predictor";
constexpr int kVersion = 1;
constexpr const char* kUnits = "cycles femtojoules";
constexpr const char* kTimeUnits = "femtoseconds femtojoules";
constexpr Checksum kChecksum{"checksum ", "\n"};
// The layer of an operator in its place.
constexpr const char* kFirst = "first";
constexpr const char* kLater = "later";
// Of a workload that has them.
constexpr const char* kCausal = "causal";
constexpr const char* kBiases = "biases";
constexpr const char* kNoHardware = "-";  // a device that was measured

// The whole of a text as a number; nothing when it is none, out of range or not finite.
template <typename Number>
std::optional<Number> number_in(std::string_view text, Number low, Number high) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= low && value <= high))
    return std::nullopt;
  return value;
}
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

// Walks the lines of a file, failing with its name and the line.
class Lines {
 public:
  Lines(std::string text, std::string file) : text_(std::move(text)), file_(std::move(file)) {}

  [[noreturn]] void fail(const std::string& message) const {
    throw InputError(file_ + ":" + std::to_string(number_) + ": " + message);
  }
  const std::string& file() const { return file_; }
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
  // Of lines that follow: nothing is reserved for them, and the file may end before.
  std::int64_t count(const std::string& key) {
    const std::string text = value(key);
    const auto count = number_in<std::int64_t>(text, 0, kMost);
    if (!count) fail("\"" + text + "\" is no number of " + key);
    return *count;
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

// "OPERATOR : LATENCY FEMTOJOULES".
std::string entry(const accel_sim::Operator& op, const accel_sim::HardwareCost& cost) {
  return describe(op) + " : " + std::to_string(cost.latency.value()) + ' ' +
         std::to_string(cost.energy.femtojoules()) + '\n';
}

std::pair<accel_sim::Operator, accel_sim::HardwareCost> parse_entry(const std::string& line,
                                                                    const Lines& lines) {
  const std::size_t colon = line.find(" : ");
  if (colon == std::string::npos) lines.fail("\"" + line + "\" is no entry");
  const std::string_view numbers = std::string_view(line).substr(colon + 3);
  const std::size_t blank = std::min(numbers.find(' '), numbers.size());
  const auto latency = number_in<std::int64_t>(numbers.substr(0, blank), 0, kMost);
  const auto femtojoules =
      number_in<std::int64_t>(numbers.substr(std::min(blank + 1, numbers.size())), 0, kMost);
  if (!latency || !femtojoules) lines.fail("\"" + line + "\" has no cost");
  try {
    return {accel_sim::operator_from_text(line.substr(0, colon)),
            {accel_sim::Cycles(*latency), accel_sim::Picojoules::from_femtojoules(*femtojoules)}};
  } catch (const InputError& error) {
    lines.fail(error.what());
  }
}

// "ROLE LAYER REPEAT OPERATOR : LATENCY FEMTOJOULES".
void read_in_place(Lines& lines, InPlaceCosts& costs) {
  const std::string line = lines.next();
  std::istringstream words(line);
  std::string role, layer, count, rest;
  words >> role >> layer >> count;
  const auto repeat = number_in<std::int64_t>(count, 1, kMost);
  if (!words || (layer != kFirst && layer != kLater) || !repeat ||
      !std::getline(words >> std::ws, rest))
    lines.fail("\"" + line +
               "\" is no entry: expected a role, first or later, and how often it runs");
  const auto [op, cost] = parse_entry(rest, lines);
  if (!costs[role].emplace(PlacedOperator{op, *repeat, layer == kFirst}, cost).second)
    lines.fail("\"" + line + "\" is there twice");
}

// "32 prefill", "32 prefill causal biases".
std::string workload_text(const accel_sim::Workload& workload) {
  std::string text = std::to_string(workload.sequence_length) + ' ' +
                     std::string(accel_sim::kModeWords.word_of(workload.mode));
  if (workload.mask == accel_sim::Mask::kCausal) text += std::string(" ") + kCausal;
  if (workload.biases) text += std::string(" ") + kBiases;
  return text;
}

accel_sim::Workload parse_workload(const std::string& text, const Lines& lines) {
  std::istringstream words(text);
  std::string count, word;
  words >> count >> word;
  const auto length = number_in<int>(count, 1, kLargestSize);
  const auto mode = accel_sim::kModeWords.find(word);
  accel_sim::Workload workload;
  bool known = length && mode;
  while (words >> word)
    if (word == kCausal)
      workload.mask = accel_sim::Mask::kCausal;
    else if (word == kBiases)
      workload.biases = true;
    else
      known = false;
  if (!known || text != workload_text({*length, *mode, workload.mask, workload.biases}))
    lines.fail("\"" + text + "\" is no workload: expected a length, prefill or decode, and " +
               "causal and biases where it has them");
  workload.sequence_length = *length;
  workload.mode = *mode;
  return workload;
}

// Hardware that is described here has cycles, a device that was measured either.
TimeUnit parse_units(const std::string& text, bool described, const Lines& lines) {
  if (text == kUnits) return TimeUnit::kCycles;
  if (text == kTimeUnits && !described) return TimeUnit::kFemtoseconds;
  lines.fail("units is " + text + ": expected " + kUnits +
             (described ? "" : std::string(" or ") + kTimeUnits));
}

std::optional<double> parse_uncertainty(const std::string& text, const Lines& lines) {
  if (text == "null") return std::nullopt;
  const auto value = number_in(text, 0.0, std::numeric_limits<double>::max());
  if (!value) lines.fail("\"" + text + "\" is no uncertainty: expected null or a number from 0 on");
  return value;
}

// "HASH PARAMETERS", the latter "-" for a device that was measured.
std::optional<accel_sim::Target> parse_hardware(const std::string& text, std::uint64_t& hash,
                                                const std::string& device, const Lines& lines) {
  const std::size_t blank = text.find(' ');
  const std::string digits = text.substr(0, blank);
  const std::string parameters = blank == std::string::npos ? "" : text.substr(blank + 1);
  std::optional<accel_sim::Target> hardware;
  if (parameters != kNoHardware) {
    const Json json = parse_json(parameters, lines.file());
    hardware = accel_sim::target_from_json(JsonNode(json, lines.file()));
  }
  hash = hardware ? target_hash(*hardware) : LatencyPredictor::device_hash(device);
  if (digits != hex(hash))
    lines.fail("hardware is " + digits + ": expected " + hex(hash) + ", that of its parameters");
  return hardware;
}

}  // namespace

void LatencyPredictor::save(const std::string& path) const {
  std::ostringstream text;
  text << kFormat << ' ' << kVersion << "\nmodel " << table_.model() << "\ndevice "
       << (device_.empty() ? kNoHardware : device_) << "\nhardware " << hex(table_.hardware_hash())
       << ' ' << (hardware_ ? to_json(*hardware_).dump() : kNoHardware) << "\nworkload "
       << workload_text(workload_) << "\nunits " << (in_time() ? kTimeUnits : kUnits)
       << "\nuncertainty "
       << Json(relative_uncertainty ? Json(*relative_uncertainty) : Json()).dump() << "\nentries "
       << table_.size() << '\n';
  for (const auto& [op, cost] : table_.entries()) text << entry(op, cost);
  std::vector<std::string> placed;
  for (const auto& [role, costs] : in_place_)
    for (const auto& [at, cost] : costs)
      placed.push_back(role + ' ' + (at.first ? kFirst : kLater) + ' ' + std::to_string(at.repeat) +
                       ' ' + entry(at.op, cost));
  std::sort(placed.begin(), placed.end());
  text << "in_place " << placed.size() << '\n';
  for (const std::string& each : placed) text << each;
  write_file_atomic(path, kChecksum.added_to(text.str()));
}

LatencyPredictor LatencyPredictor::load(const std::string& path) {
  return parse(read_text_file(path), path);
}

LatencyPredictor LatencyPredictor::parse(const std::string& text, const std::string& file) {
  Lines lines(text, file);
  // What the file is comes first, so that the wrong file is called that, not a damaged one.
  lines.expect(kFormat, std::to_string(kVersion));
  kChecksum.require(text, lines.file());
  const std::string model = lines.value("model");
  const std::string device = lines.value("device");
  if (printable(device) != device) lines.fail("the device's name has control characters");
  std::uint64_t hash = 0;
  const std::optional<accel_sim::Target> hardware =
      parse_hardware(lines.value("hardware"), hash, device, lines);
  const accel_sim::Workload workload = parse_workload(lines.value("workload"), lines);
  const TimeUnit unit = parse_units(lines.value("units"), hardware.has_value(), lines);
  const std::optional<double> uncertainty = parse_uncertainty(lines.value("uncertainty"), lines);
  LookupTable table(hash, model, nullptr, unit);
  for (std::int64_t i = lines.count("entries"); i-- > 0;) {
    const std::string line = lines.next();
    const auto [op, cost] = parse_entry(line, lines);
    if (!table.insert(op, cost)) lines.fail("\"" + line + "\" is there twice");
  }
  InPlaceCosts in_place;
  for (std::int64_t i = lines.count("in_place"); i-- > 0;) read_in_place(lines, in_place);
  if (lines.next().rfind(kChecksum.before, 0) != 0) lines.fail("expected the checksum");
  LatencyPredictor predictor =
      hardware ? LatencyPredictor(*hardware, workload, std::move(table), std::move(in_place))
               : LatencyPredictor(device, workload, std::move(table));
  predictor.relative_uncertainty = uncertainty;
  return predictor;
}

}  // namespace paretoformer::latency_predictor
