-- One row per customer with an order and way to part customers (`variant`): the group of the customer.
-- All but `all`, `location` and `subscription` tell of the first order; those two are as known now. Of products and
-- locations the fifty that won the most customers, and at least `min_group_size`, are groups of their own and the
-- rest is `Other`: groups stay few and readable and still add up to all customers.
with members as (
    select
        m.customer_id,
        m.cohort_month,
        m.first_product_id,
        m.first_product_name,
        m.first_category,
        m.first_store_id,
        m.first_store_name,
        m.first_device_type,
        m.first_campaign,
        m.first_has_discount,
        m.location,
        m.subscription_status
    from cohort.members as m
),

parameters as (
    select
        p.min_group_size,
        50 as most_groups
    from core.parameters as p
),

products as (
    select
        m.first_product_id,
        count(*) as customers,
        row_number() over (order by count(*) desc, m.first_product_id) as place
    from members as m
    group by m.first_product_id
),

locations as (
    select
        m.location,
        count(*) as customers,
        row_number() over (order by count(*) desc, m.location) as place
    from members as m
    group by m.location
),

rated as (
    select
        m.customer_id,
        m.cohort_month,
        m.first_product_id,
        m.first_product_name,
        m.first_category,
        m.first_store_id,
        m.first_store_name,
        m.first_device_type,
        m.first_campaign,
        m.first_has_discount,
        m.location,
        m.subscription_status,
        d.customers < p.min_group_size or d.place > p.most_groups as is_rare_product,
        l.customers < p.min_group_size or l.place > p.most_groups as is_rare_location
    from members as m
    inner join products as d on m.first_product_id = d.first_product_id
    inner join locations as l on m.location = l.location
    cross join parameters as p
),

final as (
    select m.customer_id, 'all' as variant, 'all' as dimension_value, 'all' as dimension_name, m.cohort_month
    from rated as m
    union all
    select
        m.customer_id,
        'product' as variant,
        case when m.is_rare_product then 'Other' else m.first_product_id end as dimension_value,
        case when m.is_rare_product then 'Other' else m.first_product_name end as dimension_name,
        m.cohort_month
    from rated as m
    union all
    select
        m.customer_id,
        'category' as variant,
        m.first_category as dimension_value,
        m.first_category as dimension_name,
        m.cohort_month
    from rated as m
    union all
    select
        m.customer_id,
        'store' as variant,
        m.first_store_id as dimension_value,
        m.first_store_name as dimension_name,
        m.cohort_month
    from rated as m
    union all
    select
        m.customer_id,
        'device_type' as variant,
        m.first_device_type as dimension_value,
        m.first_device_type as dimension_name,
        m.cohort_month
    from rated as m
    union all
    select
        m.customer_id,
        'campaign' as variant,
        m.first_campaign as dimension_value,
        m.first_campaign as dimension_name,
        m.cohort_month
    from rated as m
    union all
    select
        m.customer_id,
        'discount' as variant,
        case when m.first_has_discount then 'with discount' else 'without discount' end as dimension_value,
        case when m.first_has_discount then 'with discount' else 'without discount' end as dimension_name,
        m.cohort_month
    from rated as m
    union all
    select
        m.customer_id,
        'location' as variant,
        case when m.is_rare_location then 'Other' else m.location end as dimension_value,
        case when m.is_rare_location then 'Other' else m.location end as dimension_name,
        m.cohort_month
    from rated as m
    union all
    select
        m.customer_id,
        'subscription' as variant,
        case
            when m.subscription_status then 'subscribed'
            when not m.subscription_status then 'not subscribed'
            else 'unknown'
        end as dimension_value,
        case
            when m.subscription_status then 'subscribed'
            when not m.subscription_status then 'not subscribed'
            else 'unknown'
        end as dimension_name,
        m.cohort_month
    from rated as m
)

select * from final
