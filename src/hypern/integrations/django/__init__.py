"""Hypern's tasks in a Django project: `INSTALLED_APPS += ["hypern.integrations.django"]`.

The setting `HYPERN`, a dict, holds the keywords of `hypern.configure`. `manage.py hypern_worker` runs tasks.
"""
