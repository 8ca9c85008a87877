// The Python module paretoformer._native, documented in __init__.pyi: the C functions as classes.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "accel_sim/workload/words.hpp"
#include "latency_predictor/paretoformer.h"
#include "search_spaces/architecture.hpp"
#include "support/error.hpp"
#include "support/json.hpp"

namespace py = pybind11;

namespace paretoformer::latency_predictor {
namespace {

constexpr double kFemtojoulesPerPicojoule = 1000;
constexpr const char* kFromPython = "architecture";  // instead of a file, in messages

// The text of a str or a path-like object, as the file system has it.
std::string path_text(const py::object& path) {
  const py::object bytes = py::module_::import("os").attr("fsencode")(path);
  std::string text = bytes.cast<std::string>();
  if (text.find('\0') != std::string::npos) throw InputError("a path holds a zero byte");
  return text;
}

std::int64_t integer(const py::object& value, const char* name) {
  int overflow = 0;
  const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (!index) throw py::error_already_set();
  const long long result = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
  if (overflow != 0)
    throw InputError(std::string(name) + " " + py::str(index).cast<std::string>() +
                     " is out of range");
  return result;
}

// What may stand in a dict that json has to write: numpy's integers too.
Architecture from_dict(const py::object& architecture) {
  const py::object text = py::module_::import("json").attr("dumps")(
      architecture, py::arg("default") = py::module_::import("operator").attr("index"));
  const Json json = parse_json(text.cast<std::string>(), kFromPython);
  return architecture_from_json(JsonNode(json, kFromPython));
}

Architecture from_values(const py::object& model_width, const py::object& heads,
                         const py::object& ffn_width, const py::object& head_width,
                         const py::object& vocabulary, const py::object& weight_bits) {
  const py::list heads_list(heads), ffn_widths(ffn_width);
  const py::list bits = weight_bits.is_none() ? py::list() : py::list(weight_bits);
  if (heads_list.size() != ffn_widths.size())
    throw InputError("heads of " + std::to_string(heads_list.size()) +
                     " layers do not fit FFN widths of " + std::to_string(ffn_widths.size()));
  if (!weight_bits.is_none() && bits.size() != heads_list.size())
    throw InputError("heads of " + std::to_string(heads_list.size()) +
                     " layers do not fit weight bits of " + std::to_string(bits.size()));
  py::list layers;
  for (std::size_t i = 0; i < heads_list.size(); ++i) {
    py::dict layer(py::arg("heads") = heads_list[i], py::arg("ffn_width") = ffn_widths[i]);
    if (!weight_bits.is_none()) layer["weight_bits"] = bits[i];
    layers.append(layer);
  }
  return from_dict(py::dict(py::arg("model_width") = model_width, py::arg("layers") = layers,
                            py::arg("head_width") = head_width,
                            py::arg("vocabulary") = vocabulary));
}

Architecture from_any(const py::object& architecture) {
  if (py::isinstance<Architecture>(architecture)) return architecture.cast<Architecture>();
  if (py::hasattr(architecture, "keys")) return from_dict(py::dict(architecture));
  throw py::type_error("expected an Architecture or a dict, not " +
                       py::str(py::type::of(architecture)).cast<std::string>());
}

py::object to_dict(const Architecture& architecture) {
  return py::module_::import("json").attr("loads")(to_json(architecture).dump());
}

template <int Layer::*kMember>
std::vector<int> member_of_layers(const Architecture& architecture) {
  std::vector<int> values;
  for (const Layer& layer : architecture.layers) values.push_back(layer.*kMember);
  return values;
}

std::string representation(const Architecture& architecture) {
  const bool other_bits = has_int4(architecture);
  const py::object text =
      py::str(other_bits ? "Architecture({}, {}, {}, {}, {}, {})"
                         : "Architecture({}, {}, {}, {}, {})")
          .format(architecture.model_width, member_of_layers<&Layer::heads>(architecture),
                  member_of_layers<&Layer::ffn_width>(architecture), architecture.head_width,
                  architecture.vocabulary, member_of_layers<&Layer::weight_bits>(architecture));
  return text.cast<std::string>();
}

// An Architecture as the C functions take it.
class Plain {
 public:
  explicit Plain(const Architecture& architecture) {
    for (const Layer& layer : architecture.layers) {
      heads_.push_back(layer.heads);
      ffn_widths_.push_back(layer.ffn_width);
      weight_bits_.push_back(layer.weight_bits);
    }
    view_ = {architecture.model_width,
             architecture.head_width,
             architecture.vocabulary,
             heads_.size(),
             heads_.data(),
             ffn_widths_.data(),
             weight_bits_.data()};
  }
  Plain(const Plain&) = delete;
  Plain& operator=(const Plain&) = delete;
  const paretoformer_architecture* get() const { return &view_; }

 private:
  std::vector<std::int64_t> heads_, ffn_widths_, weight_bits_;
  paretoformer_architecture view_{};
};

// An argument of predict_batch: converted from any integers, but not from numbers that would lose
// their fraction, nor from those that would wrap.
using Array = py::array_t<std::int64_t, py::array::c_style>;
Array array_of(const py::object& given, const char* name, py::ssize_t dimensions) {
  const py::array any = py::array::ensure(given);
  if (!any) throw py::error_already_set();
  if (any.ndim() != dimensions)
    throw InputError(std::string(name) + " has " + std::to_string(any.ndim()) +
                     " dimensions: expected " + std::to_string(dimensions));
  const bool integers = any.dtype().kind() == 'i' || any.dtype().kind() == 'u';
  if (!integers && any.size() > 0)
    throw InputError(std::string(name) + " is an array of " +
                     py::str(any.dtype()).cast<std::string>() + ": expected integers");
  return py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>(any);
}

std::string shape(const Array& array) { return py::str(array.attr("shape")).cast<std::string>(); }

class Predictor {
 public:
  Predictor(const py::object& hardware, const py::object& sequence_length,
            const std::string& mode) {
    const std::string name = path_text(hardware);
    const std::int64_t length = integer(sequence_length, "sequence_length");
    const bool decodes = accel_sim::kModeWords.value_of(mode, "mode") == accel_sim::Mode::kDecode;
    make([&](paretoformer_error* error) {
      return paretoformer_predictor_simulator(
          name.c_str(), length, decodes ? PARETOFORMER_DECODE : PARETOFORMER_PREFILL, error);
    });
  }

  static Predictor load(const py::object& path) {
    const std::string name = path_text(path);
    Predictor result;
    result.make([&](paretoformer_error* error) {
      return paretoformer_predictor_load(name.c_str(), error);
    });
    return result;
  }

  void save(const py::object& path) const {
    const std::string name = path_text(path);
    call([&](paretoformer_error* error) {
      return paretoformer_predictor_save(self_.get(), name.c_str(), error);
    });
  }

  void fill(const py::object& space) const {
    const std::string name = path_text(space);
    call([&](paretoformer_error* error) {
      return paretoformer_predictor_fill(self_.get(), name.c_str(), error);
    });
  }

  const char* latency_unit() const {
    paretoformer_unit unit = PARETOFORMER_CYCLES;
    call([&](paretoformer_error* error) {
      return paretoformer_predictor_unit(self_.get(), &unit, error);
    });
    return unit == PARETOFORMER_FEMTOSECONDS ? "femtoseconds" : "cycles";
  }

  std::int64_t sequence_length() const { return workload().first; }
  const char* mode() const {
    return workload().second == PARETOFORMER_DECODE ? "decode" : "prefill";
  }

  paretoformer_cost predict(const Architecture& architecture) const {
    const Plain network(architecture);
    paretoformer_cost cost{};
    call([&](paretoformer_error* error) {
      return paretoformer_predict(self_.get(), network.get(), &cost, error);
    });
    return cost;
  }

  py::tuple predict_batch(const py::object& model_width, const py::object& heads,
                          const py::object& ffn_width, const py::object& head_width,
                          const py::object& vocabulary, const py::object& weight_bits) const {
    const Array widths = array_of(model_width, "model_width", 1);
    const Array head_counts = array_of(heads, "heads", 2);
    const Array ffn_widths = array_of(ffn_width, "ffn_width", 2);
    if (head_counts.shape(0) != widths.shape(0) || ffn_widths.shape(0) != widths.shape(0) ||
        head_counts.shape(1) != ffn_widths.shape(1))
      throw InputError("arrays of shapes " + shape(widths) + ", " + shape(head_counts) + " and " +
                       shape(ffn_widths) +
                       " do not fit together: expected (n,), (n, layers) and (n, layers)");
    std::optional<Array> bits;
    if (!weight_bits.is_none()) bits = array_of(weight_bits, "weight_bits", 2);
    if (bits && (bits->shape(0) != head_counts.shape(0) || bits->shape(1) != head_counts.shape(1)))
      throw InputError("weight_bits of shape " + shape(*bits) + " do not fit heads of " +
                       shape(head_counts));
    const paretoformer_architectures networks = {static_cast<std::size_t>(widths.shape(0)),
                                                 widths.data(),
                                                 integer(head_width, "head_width"),
                                                 integer(vocabulary, "vocabulary"),
                                                 static_cast<std::size_t>(head_counts.shape(1)),
                                                 head_counts.data(),
                                                 ffn_widths.data(),
                                                 bits ? bits->data() : nullptr};
    py::array_t<std::int64_t> cycles(widths.shape(0)), femtojoules(widths.shape(0));
    py::array_t<double> energies(widths.shape(0));
    std::int64_t* const to_cycles = cycles.mutable_data();
    std::int64_t* const to_femtojoules = femtojoules.mutable_data();
    double* const to_energies = energies.mutable_data();
    call([&](paretoformer_error* error) {
      const paretoformer_status status =
          paretoformer_predict_batch(self_.get(), &networks, to_cycles, to_femtojoules, error);
      if (status != PARETOFORMER_OK) return status;
      for (std::size_t i = 0; i < networks.count; ++i)
        to_energies[i] = static_cast<double>(to_femtojoules[i]) / kFemtojoulesPerPicojoule;
      return status;
    });
    return py::make_tuple(cycles, energies);
  }

  std::vector<paretoformer_operator> breakdown(const Architecture& architecture) const {
    const Plain network(architecture);
    std::vector<paretoformer_operator> operators;
    call([&](paretoformer_error* error) {
      std::size_t count = 0;
      const paretoformer_status status =
          paretoformer_breakdown(self_.get(), network.get(), nullptr, 0, &count, error);
      if (status != PARETOFORMER_OK) return status;
      operators.resize(count);
      return paretoformer_breakdown(self_.get(), network.get(), operators.data(), count, &count,
                                    error);
    });
    return operators;
  }

 private:
  struct Free {
    void operator()(paretoformer_predictor* predictor) const {
      paretoformer_predictor_free(predictor);
    }
  };

  Predictor() = default;

  // Runs a C function without the GIL.
  template <typename Function>
  static void call(const Function& function) {
    paretoformer_error error;
    paretoformer_status status = PARETOFORMER_OK;
    {
      const py::gil_scoped_release release;
      status = function(&error);
    }
    if (status == PARETOFORMER_BAD_INPUT) throw InputError(error.text);
    if (status != PARETOFORMER_OK) throw Error(error.text);
  }
  // One that makes a predictor.
  template <typename Function>
  void make(const Function& function) {
    call([&](paretoformer_error* error) {
      self_.reset(function(error));
      return self_ ? PARETOFORMER_OK : error->status;
    });
  }

  std::pair<std::int64_t, paretoformer_mode> workload() const {
    std::pair<std::int64_t, paretoformer_mode> result;
    call([&](paretoformer_error* error) {
      return paretoformer_predictor_workload(self_.get(), &result.first, &result.second, error);
    });
    return result;
  }

  std::unique_ptr<paretoformer_predictor, Free> self_;
};

double picojoules(const paretoformer_cost& cost) {
  return static_cast<double>(cost.femtojoules) / kFemtojoulesPerPicojoule;
}

void set_exception(PyObject* type, const std::string& text) {
  // A quoted path need not be UTF-8.
  const py::object message = py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
  if (message) PyErr_SetObject(type, message.ptr());
}

void define_architecture(py::module_& module) {
  py::class_<Architecture>(module, "Architecture")
      .def(py::init(&from_values), py::arg("model_width"), py::arg("heads"), py::arg("ffn_width"),
           py::arg("head_width") = 64, py::arg("vocabulary") = 0,
           py::arg("weight_bits") = py::none())
      .def_static("from_dict", &from_dict, py::arg("architecture"))
      .def("to_dict", &to_dict)
      .def_readonly("model_width", &Architecture::model_width)
      .def_readonly("head_width", &Architecture::head_width)
      .def_readonly("vocabulary", &Architecture::vocabulary)
      .def_property_readonly("heads", &member_of_layers<&Layer::heads>)
      .def_property_readonly("ffn_width", &member_of_layers<&Layer::ffn_width>)
      .def_property_readonly("weight_bits", &member_of_layers<&Layer::weight_bits>)
      .def_property_readonly("depth", &Architecture::depth)
      .def(
          "__eq__", [](const Architecture& a, const Architecture& b) { return a == b; },
          py::is_operator())
      .def("__hash__", &architecture_id)
      .def("__repr__", &representation);
}

// The named tuples HardwareCost and OperatorCost.
py::object define_record(py::module_& module, const char* name, const char* fields,
                         const char* meaning) {
  py::object type = py::module_::import("collections")
                        .attr("namedtuple")(name, fields, py::arg("module") = "paretoformer");
  type.attr("__doc__") = meaning;
  module.attr(name) = type;
  return type;
}

// A method that takes an Architecture, a dict or the arguments of Architecture.
template <typename Class, typename Function>
void define_on_networks(Class& to, const char* name, const Function& function, const char* doc) {
  to.def(
      name,
      [function](const Predictor& self, const py::object& architecture) {
        return function(self, from_any(architecture));
      },
      py::arg("architecture"), py::pos_only(), doc);
  to.def(
      name,
      [function](const Predictor& self, const py::object& model_width, const py::object& heads,
                 const py::object& ffn_width, const py::object& head_width,
                 const py::object& vocabulary, const py::object& weight_bits) {
        return function(
            self, from_values(model_width, heads, ffn_width, head_width, vocabulary, weight_bits));
      },
      py::kw_only(), py::arg("model_width"), py::arg("heads"), py::arg("ffn_width"),
      py::arg("head_width") = 64, py::arg("vocabulary") = 0, py::arg("weight_bits") = py::none(),
      doc);
}

void define_predictor(py::module_& module) {
  const py::object cost_record = define_record(module, "HardwareCost", "cycles energy_pj edp",
                                               "Of a whole network; edp is in pJ-cycles.");
  const py::object operator_record =
      define_record(module, "OperatorCost", "role layer repeat operation cycles energy_pj",
                    "Of an operator at its place in a network, all repeats together.");
  py::class_<Predictor> type(module, "LatencyPredictor");
  type.def(py::init<const py::object&, const py::object&, const std::string&>(),
           py::arg("hardware") = "gemmini_transformer", py::arg("sequence_length") = 512,
           py::arg("mode") = "prefill", "Prices operators with the cycle simulator, on demand.")
      .def_static("load", &Predictor::load, py::arg("path"), "From a file that save() wrote.")
      .def("save", &Predictor::save, py::arg("path"), "Writes all operators priced so far.")
      .def("fill", &Predictor::fill, py::arg("space"),
           "Prices all operators of a search space ahead.")
      .def_property_readonly("sequence_length", &Predictor::sequence_length)
      .def_property_readonly("mode", &Predictor::mode)
      .def_property_readonly("latency_unit", &Predictor::latency_unit)
      .def("predict_batch", &Predictor::predict_batch, py::arg("model_width"), py::arg("heads"),
           py::arg("ffn_width"), py::arg("head_width") = 64, py::arg("vocabulary") = 0,
           py::arg("weight_bits") = py::none(),
           "Cycles [n] and energies [n] of networks in arrays: model_width [n], heads [n, layers] "
           "and ffn_width [n, layers], zeros after the last layer; weight_bits [n, layers] or "
           "None.");
  define_on_networks(
      type, "predict",
      [cost_record](const Predictor& self, const Architecture& network) {
        const paretoformer_cost cost = self.predict(network);
        const double energy = picojoules(cost);
        return cost_record(cost.cycles, energy, energy * static_cast<double>(cost.cycles));
      },
      "The cost of one network.");
  define_on_networks(
      type, "breakdown",
      [operator_record](const Predictor& self, const Architecture& network) {
        py::list records;
        for (const paretoformer_operator& each : self.breakdown(network))
          records.append(operator_record(each.role, each.layer, each.repeat, each.operation,
                                         each.cost.cycles, picojoules(each.cost)));
        return records;
      },
      "The operators of one network; they add up to predict().");
}

}  // namespace
}  // namespace paretoformer::latency_predictor

PYBIND11_MODULE(_native, module) {
  using namespace paretoformer;                     // NOLINT(google-build-using-namespace)
  using namespace paretoformer::latency_predictor;  // NOLINT(google-build-using-namespace)
  py::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      std::rethrow_exception(std::move(thrown));
    } catch (const InputError& error) {
      set_exception(PyExc_ValueError, error.what());
    } catch (const Error& error) {
      set_exception(PyExc_RuntimeError, error.what());
    }
  });
  module.attr("__version__") = paretoformer_version();
  define_architecture(module);
  define_predictor(module);
  for (const char* name : {"Architecture", "LatencyPredictor"})
    module.attr(name).attr("__module__") = "paretoformer";
}
