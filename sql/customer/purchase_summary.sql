-- One row per observation and customer with an order in it: the numbers from which lifetime models are fitted and
-- customers are predicted. `all` ends on the as-of date. `calibration` ends earlier, so that predictions made
-- from it can be compared with the hold-out, the days after it: as many as core.parameters.lifetime_holdout_days, or
-- as the share lifetime_holdout_share of all days of sales if that is more. Occasions are days of
-- customer.lifetime_occasions, in the hold-out as before.
with clock as (
    select
        c.as_of_date,
        c.as_of_date - greatest(
            p.lifetime_holdout_days,
            floor((c.as_of_date - c.first_sale_date) * p.lifetime_holdout_share)::int
        ) as calibration_end_date
    from core.clock as c
    cross join core.parameters as p
),

observations as (
    select
        'all' as observation,
        c.as_of_date as observed_until,
        0 as holdout_days
    from clock as c
    union all
    select
        'calibration' as observation,
        c.calibration_end_date as observed_until,
        c.as_of_date - c.calibration_end_date as holdout_days
    from clock as c
),

sales as (
    select
        v.observation,
        s.customer_id,
        sum(s.net_sales) as historic_value
    from core.sales as s
    cross join observations as v
    where s.customer_id is not null and s.sold_date <= v.observed_until
    group by v.observation, s.customer_id
),

occasions as (
    select
        v.observation,
        v.observed_until,
        v.holdout_days,
        o.customer_id,
        o.occasion_number,
        o.occasion_date,
        o.first_occasion_date,
        o.occasion_value,
        o.occasion_date > v.observed_until as is_held_out
    from customer.lifetime_occasions as o
    inner join observations as v on o.first_occasion_date <= v.observed_until
),

counted as (
    select
        o.observation,
        o.customer_id,
        o.observed_until,
        o.holdout_days,
        o.first_occasion_date,
        max(o.occasion_date) filter (where not o.is_held_out) as last_occasion_date,
        count(*) filter (where not o.is_held_out) as occasions,
        sum(o.occasion_value) filter (where o.occasion_number = 1) as first_value,
        sum(o.occasion_value) filter (where o.occasion_number > 1 and not o.is_held_out) as repeat_value,
        count(*) filter (where o.is_held_out) as holdout_occasions,
        sum(o.occasion_value) filter (where o.is_held_out) as holdout_value
    from occasions as o
    group by o.observation, o.customer_id, o.observed_until, o.holdout_days, o.first_occasion_date
),

final as (
    select
        c.observation,
        c.customer_id,
        c.observed_until,
        c.holdout_days,
        c.occasions,
        c.first_occasion_date,
        c.last_occasion_date,
        c.occasions - 1 as repeat_occasions,
        c.last_occasion_date - c.first_occasion_date as days_to_last_occasion,
        c.observed_until - c.first_occasion_date as days_observed,
        c.first_value,
        c.repeat_value::double precision / nullif(c.occasions - 1, 0) as mean_repeat_value,
        coalesce(s.historic_value, 0) as historic_value,
        c.holdout_occasions,
        coalesce(c.holdout_value, 0) as holdout_value
    from counted as c
    left join sales as s on c.customer_id = s.customer_id and c.observation = s.observation
)

select * from final
