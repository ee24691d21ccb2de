-- One row per local day from the first day of the data to the last (or to the as-of date, if that is later).
-- Join facts to it to see days without any: weeks begin on Monday (ISO 8601), so that the first days of January
-- can belong to the last week of the year before. `is_complete` is false for the as-of date itself, because the
-- last day of data is usually cut off in the middle, unless the as-of date was set by hand.
with clock as (
    select
        c.data_begin_date,
        greatest(c.data_end_date, c.as_of_date) as last_date,
        c.as_of_date,
        c.as_of_is_set
    from core.clock as c
),

calendar_events as (
    select
        e.day,
        string_agg(e.event_name, ', ' order by e.event_name) as event_names
    from core.calendar_events as e
    group by e.day
),

days as (
    select
        g.day::date as day,
        c.as_of_date,
        c.as_of_is_set
    from clock as c
    cross join lateral generate_series(c.data_begin_date, c.last_date, interval '1 day') as g(day)
),

final as (
    select
        d.day,
        date_trunc('week', d.day)::date as week,
        date_trunc('month', d.day)::date as month,
        date_trunc('quarter', d.day)::date as quarter,
        date_trunc('year', d.day)::date as year,
        extract(isodow from d.day)::smallint as iso_weekday,
        extract(isoyear from d.day)::int::text || '-W' || lpad(extract(week from d.day)::int::text, 2, '0')
            as week_name,
        to_char(d.day, 'YYYY-MM') as month_name,
        extract(year from d.day)::int::text || '-Q' || extract(quarter from d.day)::int::text as quarter_name,
        extract(year from d.day)::int::text as year_name,
        d.day < d.as_of_date or (d.day = d.as_of_date and d.as_of_is_set) as is_complete,
        e.event_names
    from days as d
    left join calendar_events as e on d.day = e.day
)

select * from final
