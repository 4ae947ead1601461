"""Print the script that completes `tohum` in your shell.

    eval "$(tohum completion bash)"     in ~/.bashrc
    eval "$(tohum completion zsh)"      in ~/.zshrc, below compinit

It completes commands, options, files, the keys of generate and serve, and after `tohum sweep` what
Hydra offers: groups, presets and keys.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the argument for the shell."""
    parser.add_argument("shell", choices=("bash", "zsh"))


def run(arguments: argparse.Namespace) -> None:
    """Prints the script."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["tohum"], shell=arguments.shell))
