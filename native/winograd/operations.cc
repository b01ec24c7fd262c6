// The operations that a graph may use beside TensorFlow's own:
//
//   Img2FeaturesWinogradKernel(kernel [3, 3, in, out]) -> transformed [36, panels, in, 16]
//   Img2FeaturesWinogradConv2D(input [n, h, w, in], transformed, bias [out]) -> [n, h, w, out],
//     with `pool`, as MaxPool 2×2 at stride 2 leaves it, [n, h / 2, w / 2, out]
#include "operations.h"

#include <string>
#include <utility>

#include "tensorflow-c-api.h"
#include "winograd.h"

namespace {

WorkerThreads* threads = nullptr;

enum Flag { kRelu = 1, kPool = 2 };

// What goes wrong in a kernel, as TensorFlow is told of it.
class Status {
 public:
  Status() : status_(TF_NewStatus()) {}
  ~Status() { TF_DeleteStatus(status_); }
  bool ok() const { return TF_GetCode(status_) == TF_OK; }
  void Fail(TF_Code code, const char* message) { TF_SetStatus(status_, code, message); }
  TF_Status* get() { return status_; }
  std::string message() const { return TF_Message(status_); }

 private:
  TF_Status* status_;
};

// Owned here.
class Tensor {
 public:
  explicit Tensor(TF_Tensor* tensor = nullptr) : tensor_(tensor) {}
  Tensor(const Tensor&) = delete;
  ~Tensor() {
    if (tensor_ != nullptr) TF_DeleteTensor(tensor_);
  }
  TF_Tensor** put() { return &tensor_; }
  int rank() const { return TF_NumDims(tensor_); }
  int64_t size(int axis) const { return TF_Dim(tensor_, axis); }
  float* data() const { return static_cast<float*>(TF_TensorData(tensor_)); }

 private:
  TF_Tensor* tensor_;
};

bool GetInput(TF_OpKernelContext* context, int index, int rank, Tensor& tensor, Status& status) {
  TF_GetInput(context, index, tensor.put(), status.get());
  if (!status.ok()) return false;
  if (tensor.rank() != rank) status.Fail(TF_INVALID_ARGUMENT, "an input has another rank");
  return status.ok();
}

TF_Tensor* AllocateOutput(TF_OpKernelContext* context, std::initializer_list<int64_t> shape,
                          Status& status) {
  size_t bytes = sizeof(float);
  for (int64_t size : shape) bytes *= size;
  const int rank = static_cast<int>(shape.size());
  return TF_AllocateOutput(context, 0, TF_FLOAT, shape.begin(), rank, bytes, status.get());
}

void TransformKernel(TF_OpKernelContext* context, Status& status) {
  Tensor kernel;
  if (!GetInput(context, 0, 4, kernel, status)) return;
  if (kernel.size(0) != 3 || kernel.size(1) != 3) {
    return status.Fail(TF_INVALID_ARGUMENT, "the kernel is not 3×3");
  }
  const int64_t in = kernel.size(2), out = kernel.size(3);
  const Tensor transformed(AllocateOutput(
      context, {winograd::kPoints, winograd::CountPanels(out), in, winograd::kPanel}, status));
  if (!status.ok()) return;
  winograd::TransformKernel(kernel.data(), in, out, transformed.data(), *threads);
}

void Convolve(TF_OpKernelContext* context, int flags, Status& status) {
  const bool pool = (flags & kPool) != 0;
  Tensor input, transformed, bias;
  if (!GetInput(context, 0, 4, input, status) || !GetInput(context, 1, 4, transformed, status) ||
      !GetInput(context, 2, 1, bias, status)) {
    return;
  }
  const winograd::Shape shape = {input.size(0), input.size(1), input.size(2), input.size(3),
                                 bias.size(0)};
  if (transformed.size(0) != winograd::kPoints ||
      transformed.size(1) != winograd::CountPanels(shape.out) || transformed.size(2) != shape.in ||
      transformed.size(3) != winograd::kPanel) {
    return status.Fail(TF_INVALID_ARGUMENT, "the kernel fits neither the input nor the bias");
  }
  const int64_t step = pool ? 2 : 1;
  if (shape.height % step != 0 || shape.width % step != 0) {
    return status.Fail(TF_INVALID_ARGUMENT, "an image of odd size cannot be pooled");
  }
  const Tensor output(AllocateOutput(
      context, {shape.batch, shape.height / step, shape.width / step, shape.out}, status));
  if (!status.ok()) return;
  const winograd::Finish finish = {bias.data(), (flags & kRelu) != 0, pool};
  if (!winograd::Convolve(shape, input.data(), transformed.data(), finish, output.data(),
                          *threads)) {
    status.Fail(TF_RESOURCE_EXHAUSTED, "out of memory for a convolution");
  }
}

// All that a convolution knows beside its inputs are two flags: they are the pointer itself.
void* CreateConvolution(TF_OpKernelConstruction* construction) {
  Status status;
  uintptr_t flags = 0;
  for (const auto& [name, flag] : {std::pair("relu", kRelu), std::pair("pool", kPool)}) {
    unsigned char is_set = 0;
    TF_OpKernelConstruction_GetAttrBool(construction, name, &is_set, status.get());
    if (!status.ok()) TF_OpKernelConstruction_Failure(construction, status.get());
    if (is_set != 0) flags |= flag;
  }
  return reinterpret_cast<void*>(flags);
}

void ComputeConvolution(void* flags, TF_OpKernelContext* context) {
  Status status;
  Convolve(context, static_cast<int>(reinterpret_cast<uintptr_t>(flags)), status);
  if (!status.ok()) TF_OpKernelContext_Failure(context, status.get());
}

void ComputeKernel(void*, TF_OpKernelContext* context) {
  Status status;
  TransformKernel(context, status);
  if (!status.ok()) TF_OpKernelContext_Failure(context, status.get());
}

void Destroy(void*) {}

void Define(const char* op, std::initializer_list<const char*> inputs,
            std::initializer_list<const char*> attributes, Status& status) {
  TF_OpDefinitionBuilder* builder = TF_NewOpDefinitionBuilder(op);
  for (const char* input : inputs) TF_OpDefinitionBuilderAddInput(builder, input);
  for (const char* attribute : attributes) TF_OpDefinitionBuilderAddAttr(builder, attribute);
  TF_OpDefinitionBuilderAddOutput(builder, "output: float");
  TF_OpDefinitionBuilderSetShapeInferenceFunction(
      builder, [](TF_ShapeInferenceContext* context, TF_Status* status) {
        TF_ShapeInferenceContextSetUnknownShape(context, status);
      });
  TF_RegisterOpDefinition(builder, status.get());
}

}  // namespace

std::string RegisterOperations(int thread_count) {
  static const char* kKernel = "Img2FeaturesWinogradKernel";
  static const char* kConvolution = "Img2FeaturesWinogradConv2D";
  if (threads != nullptr) return "";
  threads = new WorkerThreads(thread_count);
  Status status;
  Define(kKernel, {"kernel: float"}, {}, status);
  if (!status.ok()) return status.message();
  TF_RegisterKernelBuilder(
      kKernel, TF_NewKernelBuilder(kKernel, "CPU", nullptr, ComputeKernel, Destroy), status.get());
  if (!status.ok()) return status.message();
  Define(kConvolution, {"input: float", "kernel: float", "bias: float"}, {"relu: bool", "pool: bool"}, status);
  if (!status.ok()) return status.message();
  TF_RegisterKernelBuilder(
      kConvolution,
      TF_NewKernelBuilder(kConvolution, "CPU", CreateConvolution, ComputeConvolution, Destroy),
      status.get());
  return status.message();
}
