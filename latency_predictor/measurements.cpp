#include "latency_predictor/measurements.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

#include "latency_predictor/latency_predictor.hpp"
#include "support/error.hpp"
#include "support/files.hpp"

namespace paretoformer {
namespace {

struct Unit {
  const char* column;
  double factor;  // seconds or picojoules; 0: cycles
};
constexpr std::array<Unit, 5> kLatencyUnits = {{{"latency_cycles", 0},
                                                {"latency_ns", 1e-9},
                                                {"latency_us", 1e-6},
                                                {"latency_ms", 1e-3},
                                                {"latency_s", 1}}};
constexpr std::array<Unit, 6> kEnergyUnits = {{{"energy_fj", 1e-3},
                                               {"energy_pj", 1},
                                               {"energy_nj", 1e3},
                                               {"energy_uj", 1e6},
                                               {"energy_mj", 1e9},
                                               {"energy_j", 1e12}}};

std::vector<std::string> fields(const std::string& line) {
  std::vector<std::string> fields(1);
  for (const char c : line)
    if (c == ',')
      fields.emplace_back();
    else
      fields.back() += c;
  for (std::string& field : fields) {
    const std::size_t first = field.find_first_not_of(" \t\r");
    const std::size_t last = field.find_last_not_of(" \t\r");
    field = first == std::string::npos ? "" : field.substr(first, last - first + 1);
  }
  return fields;
}

class Measurements {
 public:
  Measurements(const std::filesystem::path& path, double clock_mhz)
      : file_(path.string()), text_(read_file(path)), hertz_(clock_mhz * 1e6) {}

  void read(LookupTable& table) {
    read_header();
    std::string line;
    while (next(line)) {
      const std::vector<std::string> row = fields(line);
      if (row.size() == 1 && row[0].empty()) continue;
      if (row.size() != 3) fail("expected 3 fields, found " + std::to_string(row.size()));
      if (!table.insert(parse_operator(row[operator_]), cost(row)))
        fail("\"" + row[operator_] + "\" is there twice");
    }
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw InputError(file_ + ":" + std::to_string(number_) + ": " + message);
  }
  bool next(std::string& line) {
    ++number_;
    return static_cast<bool>(std::getline(text_, line));
  }

  void read_header() {
    constexpr const char* kExpected =
        "expected the columns operator, latency_UNIT (cycles, ns, us, ms or s) and energy_UNIT "
        "(fj, "
        "pj, nj, uj, mj or j)";
    std::string line;
    if (!next(line)) fail(std::string("the file is empty: ") + kExpected);
    const std::vector<std::string> header = fields(line);
    std::optional<std::size_t> name;
    for (std::size_t i = 0; i < header.size(); ++i) {
      if (header[i] == "operator") name = i;
      for (const Unit& unit : kLatencyUnits)
        if (header[i] == unit.column) latency_unit_ = &unit, latency_ = i;
      for (const Unit& unit : kEnergyUnits)
        if (header[i] == unit.column) energy_unit_ = &unit, energy_ = i;
    }
    if (header.size() != 3 || !name || !latency_unit_ || !energy_unit_)
      fail("\"" + line + "\" is no header: " + kExpected);
    operator_ = *name;
  }

  Operator parse_operator(const std::string& text) const {
    try {
      return operator_from_text(text);
    } catch (const InputError& error) {
      fail(error.what());
    }
  }

  double number(const std::string& text, const char* what, const std::string& of) const {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) ||
        value < 0)
      fail("\"" + text + "\" is no " + what + " of \"" + of + "\": expected a number from 0 on");
    return value;
  }

  HardwareCost cost(const std::vector<std::string>& row) const {
    const double latency = number(row[latency_], "latency", row[operator_]);
    const double energy = number(row[energy_], "energy", row[operator_]);
    const double cycles =
        latency_unit_->factor > 0 ? latency * latency_unit_->factor * hertz_ : latency;
    const double picojoules = energy * energy_unit_->factor;
    // Half of what 64 bits hold, in cycles and in femtojoules.
    if (!(cycles < 0x1p62)) fail("a latency of " + row[latency_] + " is out of range");
    if (!(picojoules < 0x1p62 / 1000)) fail("an energy of " + row[energy_] + " is out of range");
    return {Cycles(std::llround(cycles)), Picojoules(picojoules)};
  }

  std::string file_;
  std::istringstream text_;
  double hertz_;
  int number_ = 0;
  std::size_t operator_ = 0, latency_ = 0, energy_ = 0;
  const Unit* latency_unit_ = nullptr;
  const Unit* energy_unit_ = nullptr;
};

}  // namespace

LookupTable read_measurements(const std::filesystem::path& path, const std::string& device,
                              double clock_mhz) {
  LookupTable table(LatencyPredictor::device_hash(device), kMeasuredModel);
  Measurements(path, clock_mhz).read(table);
  return table;
}

std::string measurement_template(const std::vector<Operator>& operators) {
  std::string text = "operator,latency_us,energy_uj\n";
  for (const Operator& op : operators) text += describe(op) + ",,\n";
  return text;
}

}  // namespace paretoformer
