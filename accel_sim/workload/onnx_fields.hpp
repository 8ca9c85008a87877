// Numbers of the fields of onnx.proto3's messages (ONNX 1.12), and of what Protocol Buffers write
// before each (https://protobuf.dev/programming-guides/encoding/).
#pragma once

namespace paretoformer::accel_sim::onnx {

enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

namespace model {
enum { kIrVersionField = 1, kProducer = 2, kGraph = 7, kOperatorSetImport = 8, kMetadata = 14 };
}
namespace operator_set {
enum { kVersion = 2 };
}
namespace metadata_entry {
enum { kKey = 1, kValue = 2 };
}
namespace graph {
enum { kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12, kValueInfo = 13 };
}
namespace node_proto {
enum { kInput = 1, kOutput = 2, kName = 3, kOperation = 4, kAttribute = 5, kDomain = 7 };
}
namespace attribute {
enum { kName = 1, kFloat = 2, kInteger = 3, kString = 4, kTensor = 5, kIntegers = 8, kType = 20 };
enum { kTypeFloat = 1, kTypeInteger = 2, kTypeIntegers = 7 };
}  // namespace attribute
namespace tensor {
enum { kDimensions = 1, kDataType = 2, kInt32 = 5, kInt64 = 7, kName = 8, kRawData = 9 };
// TensorProto.DataType.
enum {
  kFloat32 = 1,
  kUint8 = 2,
  kInt8 = 3,
  kInt32Type = 6,
  kInt64Type = 7,
  kFloat16 = 10,
  kFloat64 = 11,
  kBfloat16 = 16
};
}  // namespace tensor
namespace value_info {
enum { kName = 1, kType = 2 };
}
namespace type {
enum { kTensor = 1, kElement = 1, kShape = 2, kDimension = 1, kSize = 1, kParameter = 2 };
}

}  // namespace paretoformer::accel_sim::onnx
