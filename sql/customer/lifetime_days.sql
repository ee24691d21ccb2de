-- One row per local day with an occasion of a customer whom the calibration knows: how many of these customers bought
-- for the first time on it, and how many bought again. It is what customer.lifetime_tracking adds up over time.
with calibration as (
    select max(s.observed_until) as calibration_end_date
    from customer.purchase_summary as s
    where s.observation = 'calibration'
),

final as (
    select
        o.occasion_date,
        c.calibration_end_date,
        count(*) filter (where o.occasion_number = 1) as first_occasions,
        count(*) filter (where o.occasion_number > 1) as repeat_occasions
    from customer.lifetime_occasions as o
    cross join calibration as c
    where o.first_occasion_date <= c.calibration_end_date
    group by o.occasion_date, c.calibration_end_date
)

select * from final
