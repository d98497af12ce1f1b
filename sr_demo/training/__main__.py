"""`python -m sr_demo.training RECIPE ...`, the old spelling of `python -m sr_demo train RECIPE ...`."""

import argparse
import sys

from sr_demo.cli.train import add_train_arguments, run_train

if __name__ == "__main__":
    print("Hint: this is python -m sr_demo train.", file=sys.stderr)
    parser = argparse.ArgumentParser("python -m sr_demo.training")
    add_train_arguments(parser)
    sys.exit(run_train(parser.parse_args()))
