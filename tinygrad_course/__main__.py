"""`python -m tinygrad_course` is the command `tgc`, also where the folder of commands is not on the PATH."""
from tinygrad_course.cli import main

if __name__ == "__main__":
    main()
