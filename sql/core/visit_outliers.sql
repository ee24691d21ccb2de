-- One row per value of a visit that lies far outside of its like, up to the as-of date: its number of events, or its
-- duration, compared with all visits; marked, never removed. Method and use are those of `core.outliers`.
with visits as (
    select
        v.session_id,
        v.events,
        v.duration_seconds
    from core.visits as v
),

samples as (
    select
        'session_events' as variable,
        v.session_id as row_key,
        v.events as value
    from visits as v
    union all
    select
        'session_duration' as variable,
        v.session_id as row_key,
        v.duration_seconds as value
    from visits as v
),

scaled as (
    select
        s.variable,
        s.row_key,
        s.value::numeric(18, 4) as value,
        ln(1 + greatest(s.value, 0)::double precision) as y
    from samples as s
),

centres as (
    select
        s.variable,
        count(*) as sample_size,
        percentile_cont(0.25) within group (order by s.y) as lower_quartile,
        percentile_cont(0.5) within group (order by s.y) as median,
        percentile_cont(0.75) within group (order by s.y) as upper_quartile
    from scaled as s
    group by s.variable
),

spreads as (
    select
        s.variable,
        percentile_cont(0.5) within group (order by abs(s.y - c.median)) as mad
    from scaled as s
    inner join centres as c on s.variable = c.variable
    group by s.variable
),

scores as (
    select
        s.variable,
        s.row_key,
        s.value,
        c.sample_size,
        case when d.mad > 1e-9 then 'mad' else 'tukey' end as outlier_method,
        case
            when d.mad > 1e-9 then 0.6745::double precision * (s.y - c.median) / nullif(d.mad, 0)
            when c.upper_quartile - c.lower_quartile <= 1e-9 then null
            when s.y > c.upper_quartile
                then (s.y - c.upper_quartile) / nullif(c.upper_quartile - c.lower_quartile, 0)
            else (s.y - c.lower_quartile) / nullif(c.upper_quartile - c.lower_quartile, 0)
        end as outlier_score
    from scaled as s
    inner join centres as c on s.variable = c.variable
    inner join spreads as d on s.variable = d.variable
    where c.sample_size >= 10
),

final as (
    select
        'core.sessions' as dataset,
        s.variable,
        s.row_key,
        s.value,
        'all visits' as compared_with,
        s.sample_size,
        s.outlier_method,
        s.outlier_score,
        true as is_outlier
    from scores as s
    where abs(s.outlier_score) - 1e-9 > case when s.outlier_method = 'mad' then 3.5 else 3 end
)

select * from final
