"""Models written as ONNX for programs that are not Python, and compared with the originals before they leave."""
