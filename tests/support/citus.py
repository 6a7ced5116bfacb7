"""A stand-in for Citus on a plain PostgreSQL: its catalogues and functions by name, which refuse what Citus refuses.

It spreads nothing. What it shows is which calls are made, in which order, and that none is one that Citus' manual and
its code rule out: https://docs.citusdata.com/en/stable/develop/api_udf.html and ``create_distributed_table.c``.
"""

from collections.abc import Sequence
from typing import Any, Final, LiteralString

import psycopg

from countermand.store import tables as t
from tests.support import templates
from tests.support.pgnode import Node

_CATALOGUES: Final = """
    CREATE TYPE citus_state AS ENUM ('scheduled', 'running', 'finished', 'failed');
    CREATE TYPE citus_task_state AS ENUM ('runnable', 'running', 'done', 'error');
    CREATE TABLE pg_dist_partition (
        logicalrelid regclass PRIMARY KEY, partmethod "char" NOT NULL, partkey text, colocationid int, repmodel "char"
    );
    CREATE TABLE pg_dist_local_group (groupid int NOT NULL);
    CREATE TABLE pg_dist_node (
        nodename text, nodeport int, groupid int, isactive bool, shouldhaveshards bool, noderole text DEFAULT 'primary'
    );
    CREATE TABLE citus_shards (table_name regclass, nodename text, nodeport int, shard_size bigint);
    CREATE TABLE pg_dist_background_job (job_id bigint, state citus_state, job_type name);
    CREATE TABLE pg_dist_background_task (task_id bigint, job_id bigint, status citus_task_state);
    INSERT INTO pg_dist_local_group VALUES (0);
    INSERT INTO pg_dist_node VALUES ('first', 5432, 0, true, false), ('second', 5432, 1, true, true),
        ('third', 5432, 2, true, true);
    CREATE TABLE citus_calls (number int GENERATED ALWAYS AS IDENTITY, said text);
"""

_REFUSALS: Final = """
    CREATE FUNCTION citus_check(named regclass, wanted text) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        bad text;
    BEGIN
        IF (SELECT groupid FROM pg_dist_local_group) <> 0 THEN
            RAISE 'operation is not allowed on this node';
        END IF;
        IF EXISTS (SELECT FROM pg_dist_partition
                WHERE logicalrelid = named AND (partmethod = 'h' OR repmodel = 't')) THEN
            RAISE 'table "%" is already distributed', named;
        END IF;
        SELECT i.indexrelid::regclass INTO bad FROM pg_index i
            WHERE i.indrelid = named AND i.indisunique AND wanted <> '' AND NOT
            EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = named AND a.attname = wanted
                AND a.attnum = ANY (i.indkey));
        IF bad IS NOT NULL THEN
            RAISE 'cannot create constraint on "%": % does not include the distribution column', named, bad;
        END IF;
        SELECT c.conname INTO bad FROM pg_constraint c WHERE c.contype = 'f' AND wanted <> '' AND (
            (c.confrelid = named AND NOT EXISTS (SELECT FROM pg_dist_partition p WHERE p.logicalrelid = c.conrelid
                AND p.partmethod = 'h'))
            OR (c.conrelid = named AND NOT EXISTS (
                SELECT FROM pg_dist_partition p WHERE p.logicalrelid = c.confrelid)));
        IF bad IS NOT NULL THEN
            RAISE 'cannot create foreign key constraint since relations are not colocated: %', bad;
        END IF;
        SELECT p.polname INTO bad FROM pg_policy p
            WHERE p.polrelid = named AND p.polqual::text LIKE '%{SUBLINK %';
        IF bad IS NOT NULL THEN
            RAISE 'cannot create policy: % has a subquery', bad;
        END IF;
        IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = named AND NOT tgisinternal) THEN
            RAISE 'cannot distribute relation "%" because it has triggers', named;
        END IF;
    END $$;

    CREATE FUNCTION create_reference_table(named regclass) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM citus_check(named, '');
        INSERT INTO citus_calls (said) VALUES (format('everywhere %s', named));
        INSERT INTO pg_dist_partition VALUES (named, 'n', NULL, 1, 't')
            ON CONFLICT (logicalrelid) DO UPDATE SET repmodel = 't';
        INSERT INTO citus_shards SELECT named, nodename, nodeport, 8192 FROM pg_dist_node;
    END $$;

    CREATE FUNCTION create_distributed_table(
        named regclass, wanted text, distribution_type text DEFAULT 'hash', colocate_with text DEFAULT 'default'
    ) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM citus_check(named, wanted);
        IF colocate_with <> 'none' AND NOT EXISTS (SELECT FROM pg_dist_partition p JOIN pg_attribute a
                ON a.attrelid = p.logicalrelid AND a.attname = p.partkey JOIN pg_attribute b ON b.attrelid = named
                AND b.attname = wanted AND b.atttypid = a.atttypid
                WHERE p.logicalrelid = colocate_with::regclass AND p.partmethod = 'h') THEN
            RAISE 'cannot colocate tables % and %', colocate_with, named;
        END IF;
        INSERT INTO citus_calls (said) VALUES (format('%s by %s beside %s', named, wanted, colocate_with));
        INSERT INTO pg_dist_partition VALUES (named, 'h', wanted, 2, 's')
            ON CONFLICT (logicalrelid) DO UPDATE SET partmethod = 'h', partkey = wanted;
        INSERT INTO citus_shards SELECT named, nodename, nodeport, 8192 FROM pg_dist_node WHERE shouldhaveshards;
    END $$;

    CREATE FUNCTION create_distributed_table_concurrently(
        named regclass, wanted text, distribution_type text DEFAULT 'hash', colocate_with text DEFAULT 'default'
    ) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM create_distributed_table(named, wanted, distribution_type, colocate_with);
        INSERT INTO citus_calls (said) VALUES ('while others write');
    END $$;

    CREATE FUNCTION citus_set_node_property(host text, port int, property text, value bool) RETURNS void
    LANGUAGE sql AS $$ UPDATE pg_dist_node SET shouldhaveshards = value WHERE nodename = host AND nodeport = port $$;

    CREATE FUNCTION citus_add_node(host text, port int) RETURNS void LANGUAGE sql AS $$
        INSERT INTO pg_dist_node VALUES (host, port, 9, true, true);
        INSERT INTO citus_shards SELECT logicalrelid, host, port, 8192 FROM pg_dist_partition WHERE partmethod = 'h'
    $$;

    CREATE FUNCTION citus_remove_node(host text, port int) RETURNS void LANGUAGE sql AS $$
        DELETE FROM citus_shards WHERE nodename = host AND nodeport = port;
        DELETE FROM pg_dist_node WHERE nodename = host AND nodeport = port AND NOT shouldhaveshards
    $$;

    CREATE FUNCTION citus_rebalance_start(drain_only bool DEFAULT false) RETURNS bigint LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO citus_calls (said) VALUES (format('rebalance, drains %s', drain_only));
        INSERT INTO pg_dist_background_job VALUES (7, 'finished', 'rebalance');
        INSERT INTO pg_dist_background_task VALUES (1, 7, 'done'), (2, 7, 'done');
        RETURN 7;
    END $$;
"""


def new_database(server: Node) -> str:
    """The URL of a database with the schema and nothing in it, whose server says that it has Citus."""
    url = templates.new_database(server)
    stand_in(url, is_spread=True)
    return url


def stand_in(url: str, *, is_spread: bool = False) -> None:
    """Make the server of this database one that has Citus, as far as its names go; its tables ``is_spread``, or not."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_CATALOGUES)
        connection.execute(_REFUSALS)
        for table in t.metadata.sorted_tables if is_spread else ():
            if key := t.spread_by(table.name):
                connection.execute("INSERT INTO pg_dist_partition VALUES (%s, 'h', %s, 2, 's')", (table.name, key))


def asked(url: str, query: LiteralString) -> Sequence[Any]:
    """The first column of the rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(query)
        return [row[0] for row in found.fetchall()] if found.description else []
