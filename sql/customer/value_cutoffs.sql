-- One row per day at which the prediction of customer value looks back and, but for the last, forward: `score` is
-- the as-of date, from which the future is predicted; `test` lies one horizon before, so that the prediction can be
-- compared with what came; `train` one more before. Models are chosen between `train` and `choice`, half a horizon
-- later, by what came in half a horizon: nothing after `test` plays a part. Every label ends before the one of
-- `test` begins.
-- The horizon is the longest of 180, 90 and 60 days with as many days of sales before the train cut-off and
-- core.parameters.value_min_customers customers at it. Below twenty times as many there are up to two more train
-- cut-offs, 30 and 60 days earlier, if they, too, have that. Without a horizon there is the `score` row alone.
with clock as (
    select
        c.as_of_date,
        c.first_sale_date,
        p.value_min_customers
    from core.clock as c
    cross join core.parameters as p
),

customers as (
    select
        s.customer_id,
        min(s.sold_date) as first_order_date
    from core.sales as s
    cross join clock as c
    where s.is_valid and s.line_type = 'sale' and s.customer_id is not null and s.sold_date <= c.as_of_date
    group by s.customer_id
),

horizons as (
    select 180 as horizon_days
    union all
    select 90 as horizon_days
    union all
    select 60 as horizon_days
),

trained as (
    select
        h.horizon_days,
        count(m.customer_id) as customers
    from horizons as h
    cross join clock as c
    left join customers as m on m.first_order_date <= c.as_of_date - 2 * h.horizon_days
    where c.as_of_date - 3 * h.horizon_days >= c.first_sale_date
    group by h.horizon_days
),

chosen as (
    select
        max(t.horizon_days) as horizon_days,
        max(t.customers) filter (where t.place = 1) as customers
    from (
        select
            e.horizon_days,
            e.customers,
            row_number() over (order by e.horizon_days desc) as place
        from trained as e
        cross join clock as c
        where e.customers >= c.value_min_customers
    ) as t
),

days as (
    select
        'score' as kind,
        c.as_of_date as cutoff_date
    from clock as c
    union all
    select
        'test' as kind,
        c.as_of_date - h.horizon_days as cutoff_date
    from clock as c
    cross join chosen as h
    where h.horizon_days is not null
    union all
    select
        'choice' as kind,
        c.as_of_date - h.horizon_days - h.horizon_days / 2 as cutoff_date
    from clock as c
    cross join chosen as h
    where h.horizon_days is not null
    union all
    select
        'train' as kind,
        c.as_of_date - (2 * h.horizon_days + 30 * g.step)::int as cutoff_date
    from clock as c
    cross join chosen as h
    cross join lateral generate_series(0, 2) as g(step)
    where h.horizon_days is not null and (g.step = 0 or h.customers < 20 * c.value_min_customers)
),

counted as (
    select
        d.kind,
        d.cutoff_date,
        count(m.customer_id) as customers
    from days as d
    left join customers as m on m.first_order_date <= d.cutoff_date
    group by d.kind, d.cutoff_date
),

final as (
    select
        d.cutoff_date,
        d.kind,
        coalesce(h.horizon_days, 180) as horizon_days,
        case when d.kind <> 'score' then d.cutoff_date + h.horizon_days end as label_end_date,
        d.cutoff_date - c.first_sale_date as history_days,
        d.customers,
        h.horizon_days is not null as is_sufficient
    from counted as d
    cross join clock as c
    cross join chosen as h
    where d.customers > 0
        and (
            d.kind <> 'train'
            or (
                d.customers >= c.value_min_customers
                and d.cutoff_date - h.horizon_days >= c.first_sale_date
            )
        )
)

select * from final
