"""Image files: detection, limits, decoding, and PNG encoding. Other folders use them through `sr_demo.image`."""
