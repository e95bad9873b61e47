"""The linear history of revisions: one head, and nothing that is released changes.

`migrations/versions/history.txt` holds the ids of the revisions in upgrade order. Two branches that
both add a revision both add a last line, so git has a conflict where Alembic would get two heads.
What is released is asked of git: the revisions where this branch left upstream.
"""
