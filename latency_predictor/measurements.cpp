#include "latency_predictor/measurements.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "latency_predictor/latency_predictor.hpp"
#include "support/error.hpp"
#include "support/files.hpp"

namespace paretoformer::latency_predictor {
namespace {

struct Unit {
  const char* column;
  double factor;  // femtoseconds or picojoules
};
constexpr const char* kCyclesColumn = "latency_cycles";
constexpr std::array<Unit, 4> kLatencyUnits = {
    {{"latency_ns", 1e6}, {"latency_us", 1e9}, {"latency_ms", 1e12}, {"latency_s", 1e15}}};
constexpr std::array<Unit, 6> kEnergyUnits = {{{"energy_fj", 1e-3},
                                               {"energy_pj", 1},
                                               {"energy_nj", 1e3},
                                               {"energy_uj", 1e6},
                                               {"energy_mj", 1e9},
                                               {"energy_j", 1e12}}};
constexpr const char* kExpected =
    "expected the columns operator, latency_UNIT (cycles, ns, us, ms or s) and, if it was "
    "measured, "
    "energy_UNIT (fj, pj, nj, uj, mj or j)";
constexpr const char* kSeparators = ",;\t";

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  const std::size_t last = text.find_last_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

// Measurements are a file of lines of fields (RFC 4180, with the separators and the ends of lines
// that spreadsheets write).
class Measurements {
 public:
  Measurements(const std::filesystem::path& path, std::optional<double> clock_mhz)
      : file_(path.string()), text_(read_text_file(path)), clock_mhz_(clock_mhz) {
    if (text_.starts_with("\xFF\xFE") || text_.starts_with("\xFE\xFF"))
      throw InputError(file_ + ": is UTF-16: expected UTF-8");
    read_header();
  }

  TimeUnit time_unit() const {
    return latency_unit_ || clock_mhz_ ? TimeUnit::kFemtoseconds : TimeUnit::kCycles;
  }

  void read(LookupTable& table) {
    std::vector<std::string> row;
    while (next(row)) {
      if (!table.insert(parse_operator(row[operator_]), cost(row)))
        fail("\"" + row[operator_] + "\" is there twice");
    }
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw InputError(file_ + ":" + std::to_string(number_) + ": " + message);
  }

  // The next line that is not blank; false at the end.
  bool next_line(std::string& line) {
    while (at_ < text_.size()) {
      const std::size_t end = std::min(text_.find_first_of("\r\n", at_), text_.size());
      line = text_.substr(at_, end - at_);
      at_ = end + 1 + (text_.compare(end, 2, "\r\n") == 0);
      ++number_;
      if (line.find_first_not_of(" \t,;\"") != std::string::npos) return true;
    }
    return false;
  }

  // Without the blank fields that end it.
  std::vector<std::string> fields(const std::string& line) const {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const char c = line[i];
      if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"')
        fields.back() += line[++i];
      else if (c == '"' && (quoted || trimmed(fields.back()).empty()))
        quoted = !quoted;
      else if (c == separator_ && !quoted)
        fields.emplace_back();
      else
        fields.back() += c;
    }
    if (quoted) fail("a quotation mark is not closed");
    for (std::string& field : fields) field = trimmed(field);
    while (fields.size() > 1 && fields.back().empty()) fields.pop_back();
    return fields;
  }

  // The fields of the next line, as many as the header has.
  bool next(std::vector<std::string>& row) {
    std::string line;
    if (!next_line(line)) return false;
    row = fields(line);
    if (row.size() > columns_)
      fail("expected " + std::to_string(columns_) + " fields, found " + std::to_string(row.size()));
    row.resize(columns_);
    return true;
  }

  void read_header() {
    std::string line;
    if (!next_line(line)) {
      number_ = 1;
      fail(std::string("the file is empty: ") + kExpected);
    }
    const std::size_t separator = line.find_first_of(kSeparators);
    if (separator != std::string::npos) separator_ = line[separator];
    const std::vector<std::string> header = fields(line);
    columns_ = header.size();
    std::optional<std::size_t> name, latency;
    for (std::size_t i = 0; i < columns_; ++i) {
      const std::string column = lower_case(header[i]);
      if (column == "operator") {
        set(name, i, header[i]);
      } else if (column.starts_with("latency")) {
        set(latency, i, header[i]);
        latency_unit_ = column == kCyclesColumn ? nullptr : &unit_of(column, kLatencyUnits);
      } else if (column.starts_with("energy")) {
        set(energy_, i, header[i]);
        energy_unit_ = &unit_of(column, kEnergyUnits);
      }
    }
    if (!name || !latency) fail("\"" + line + "\" is no header: " + kExpected);
    operator_ = *name;
    latency_ = *latency;
  }

  void set(std::optional<std::size_t>& column, std::size_t index, const std::string& name) const {
    if (column) fail("\"" + name + "\" is a second column of its kind: " + kExpected);
    column = index;
  }

  template <std::size_t kSize>
  const Unit& unit_of(const std::string& column, const std::array<Unit, kSize>& units) const {
    for (const Unit& unit : units)
      if (column == unit.column) return unit;
    fail("\"" + column + "\" has no known unit: " + kExpected);
  }

  accel_sim::Operator parse_operator(const std::string& text) const {
    try {
      return accel_sim::operator_from_text(text);
    } catch (const InputError& error) {
      fail(error.what());
    }
  }

  // Where commas do not separate fields, one may separate the decimals.
  double number(std::string text, const char* what, const std::string& of,
                const char* hint = "") const {
    const std::string given = text;
    if (separator_ != ',' && std::count(text.begin(), text.end(), ',') == 1 &&
        text.find('.') == std::string::npos)
      text[text.find(',')] = '.';
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) ||
        value < 0)
      fail("\"" + given + "\" is no " + what + " of \"" + of + "\": expected a number from 0 on" +
           hint);
    return value;
  }

  accel_sim::HardwareCost cost(const std::vector<std::string>& row) const {
    const double latency = number(row[latency_], "latency", row[operator_]);
    double factor = 1;
    if (latency_unit_) factor = latency_unit_->factor;
    if (!latency_unit_ && clock_mhz_) factor = 1e9 / *clock_mhz_;  // femtoseconds in a cycle
    const double time = latency * factor;
    double picojoules = 0;
    if (energy_)
      picojoules = number(row[*energy_], "energy", row[operator_],
                          ", or no such column where none was measured") *
                   energy_unit_->factor;
    // Half of what 64 bits hold, in femtoseconds (or cycles) and in femtojoules.
    if (!(time < 0x1p62)) fail("a latency of " + row[latency_] + " is out of range");
    if (!(picojoules < 0x1p62 / 1000)) fail("an energy of " + row[*energy_] + " is out of range");
    return {accel_sim::Cycles(std::llround(time)), accel_sim::Picojoules(picojoules)};
  }

  std::string file_;
  std::string text_;
  std::optional<double> clock_mhz_;
  std::size_t at_ = 0;
  int number_ = 0;
  char separator_ = ',';
  std::size_t columns_ = 0, operator_ = 0, latency_ = 0;
  std::optional<std::size_t> energy_;
  const Unit* latency_unit_ = nullptr;  // cycles
  const Unit* energy_unit_ = nullptr;
};

}  // namespace

LookupTable read_measurements(const std::filesystem::path& path, const std::string& device,
                              std::optional<double> clock_mhz) {
  if (clock_mhz && !(*clock_mhz > 0 && std::isfinite(*clock_mhz)))
    throw InputError("--clock-mhz is out of range: expected a number above 0");
  Measurements measurements(path, clock_mhz);
  LookupTable table(LatencyPredictor::device_hash(device), kMeasuredModel, nullptr,
                    measurements.time_unit());
  measurements.read(table);
  return table;
}

std::string measurement_template(const std::vector<accel_sim::Operator>& operators) {
  std::string text = "operator,latency_us,energy_uj\n";
  for (const accel_sim::Operator& op : operators) text += describe(op) + ",,\n";
  return text;
}

}  // namespace paretoformer::latency_predictor
