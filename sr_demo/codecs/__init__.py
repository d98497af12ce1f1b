"""Picture files, in and out: what a file is, how it is decoded, how PNG is written. `sr_demo.image` is the door."""
